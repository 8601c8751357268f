"""The commands that serve an API without HTTP, one for each line of COMMANDS in otp_app.apis."""

from __future__ import annotations

import argparse
from contextlib import closing
from functools import partial

from otp_app import startup
from otp_app.apis import COMMANDS, load_command
from otp_app.cli import starting
from otp_app.settings import Settings
from otp_app.wiring import build


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add a command for each API."""
    for name in COMMANDS:
        described = f"serve the API {name} until the process is asked to end"
        commands.add_parser(name, help=described, description=described).set_defaults(run=partial(_run, name))


def _run(name: str, _: argparse.Namespace) -> int:
    return starting.run(partial(startup.load, command=name), partial(_serve, name))


def _serve(name: str, settings: Settings) -> None:
    with closing(build(settings)) as services:
        load_command(name)(services).serve()
