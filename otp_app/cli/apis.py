"""The commands that serve an API without HTTP, one for each line of COMMANDS in otp_app.apis."""

from __future__ import annotations

from contextlib import closing
from functools import partial

from otp_app import startup
from otp_app.apis import load_command
from otp_app.cli import starting
from otp_app.cli.command import Command
from otp_app.cli.scraping import scraped
from otp_app.settings import Settings
from otp_app.wiring import build


def command(name: str) -> Command:
    """Return the command that serves an API."""
    described = f"Serve the API {name}.\n\nThe server runs until Ctrl-C or SIGTERM."
    return Command(name, callback=partial(_run, name), help=described, example=name)


def _run(name: str) -> int:
    return starting.run(partial(startup.load, command=name), partial(_serve, name))


def _serve(name: str, settings: Settings) -> None:
    measured = bool(settings.otp_metrics_port)
    with (
        closing(build(settings, measured=measured)) as services,
        scraped(settings, services.meter, services.store),
    ):
        load_command(name)(services).serve()
