"""`worker`: do what messages ask for, until the process is asked to end."""

from __future__ import annotations

import argparse
import os
import sys
from threading import Event

from otp_app import startup
from otp_app.core.errors import OtpError
from otp_app.logs import log, set_up
from otp_app.plugins.loading import load_object
from otp_app.settings import Settings, keyring
from otp_app.signals import at_end
from otp_app.store import sharing

WORK = """\
Receive messages from RabbitMQ (OTP_AMQP_URL): `otp` sends the codes that sign-ups ask for, `auth` notes them in the
activity of users. SIGTERM ends it once the messages at hand are done. Run as many as you need."""

NO_BROKER = "OTP_AMQP_URL: a worker needs it, such as amqp://user:password@host:5672/%2F"
CONSOLE = "OTP_CHANNELS: console shows codes on this worker's screen: with a store on a network set whatsapp or sms"


def describe(parser: argparse.ArgumentParser) -> None:
    """Add what `worker` takes."""
    parser.description = WORK
    parser.add_argument("kind", choices=("otp", "auth"))
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    try:
        settings = startup.load()
        if not settings.otp_amqp_url:
            raise startup.BadSettings([NO_BROKER])
        if args.kind == "otp" and "console" in settings.otp_channels and sharing(settings.otp_store_url) == "network":
            raise startup.BadSettings([CONSOLE])
        set_up(settings.otp_log_level)
        for line in startup.common_advice(settings) + startup.prepare(settings):
            log.warning(line)
        _work(args.kind, keyring.held(settings))
    except startup.BadSettings as error:
        print(*error.faults, sep="\n", file=sys.stderr)
        return os.EX_CONFIG
    except (OtpError, ValueError, keyring.BadKeyFile) as error:
        print(error, file=sys.stderr)
        return os.EX_TEMPFAIL if isinstance(error, OtpError) else os.EX_CONFIG
    return os.EX_OK


def _work(kind: str, settings: Settings) -> None:
    stopping = Event()
    at_end(stopping.set)
    load_object(f"otp_app.workers.{kind}:run", "worker")(settings, stopping)
