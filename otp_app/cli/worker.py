"""`worker`: do what messages ask for, until the process is asked to end."""

from __future__ import annotations

from functools import partial
from threading import Event

import click

from otp_app import startup
from otp_app.cli import starting
from otp_app.cli.command import Command
from otp_app.cli.scraping import scraped
from otp_app.plugins.loading import load_object
from otp_app.settings import Settings
from otp_app.stores import sharing
from otp_app.system.signals import at_end

NO_BROKER = "OTP_AMQP_URL: a worker needs it, such as amqp://user:password@host:5672/%2F"
CONSOLE = "OTP_CHANNELS: console shows codes on this worker's screen: with a store on a network set whatsapp or sms"


@click.command(cls=Command, example="worker otp")
@click.argument("kind", type=click.Choice(("otp", "auth")))
def worker(kind: str) -> int:
    """Process messages from RabbitMQ.

    The messages come from OTP_AMQP_URL. `otp` sends the codes that sign-ups request; `auth` records them in the
    activity of users. SIGTERM stops the worker when the current messages are done. Run as many workers as you need.
    """
    return starting.run(partial(_load, kind), partial(_work, kind), startup.common_advice)


def _load(kind: str) -> Settings:
    settings = startup.load()
    if not settings.otp_amqp_url:
        raise startup.BadSettings([NO_BROKER])
    if kind == "otp" and "console" in settings.otp_channels and sharing(settings.otp_store_url) == "network":
        raise startup.BadSettings([CONSOLE])
    return settings


def _work(kind: str, settings: Settings) -> None:
    stopping = Event()
    at_end(stopping.set)
    load_object(f"otp_app.workers.{kind}:run", "worker")(settings, stopping, partial(scraped, settings))
