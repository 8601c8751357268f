"""The commands that serve an API without HTTP, one for each line of COMMANDS in otp_app.apis."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from contextlib import closing
from functools import partial

from otp_app import startup
from otp_app.apis import COMMANDS, load_command
from otp_app.apis.command import CannotServeError
from otp_app.core.errors import OtpError
from otp_app.logs import log, set_up
from otp_app.settings import keyring
from otp_app.startup.fallback import settle
from otp_app.store import sharing
from otp_app.wiring import Services, build


class CannotStartError(Exception):
    """The server does not start: a line for each reason, and the exit status."""

    def __init__(self, lines: Iterable[str], status: int) -> None:
        super().__init__("\n".join(lines))
        self.status = status


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add a command for each API."""
    for name in COMMANDS:
        described = f"serve the API {name} until the process is asked to end"
        commands.add_parser(name, help=described, description=described).set_defaults(run=partial(_serve, name))


def _serve(name: str, _: argparse.Namespace) -> int:
    try:
        with closing(_opened(name)) as services:
            load_command(name)(services).serve()
    except CannotStartError as error:
        print(error, file=sys.stderr)
        return error.status
    except CannotServeError as error:
        print(error, file=sys.stderr)
        return os.EX_TEMPFAIL if error.passing else os.EX_CONFIG
    return os.EX_OK


def _opened(name: str) -> Services:
    """Return the services for an API, after the checks that gunicorn's configuration makes for the HTTP server."""
    try:
        settings = startup.load(command=name)
        set_up(settings.otp_log_level)
        settings, lines = settle(settings)
        for line in startup.advice(settings) + lines + startup.prepare(settings):
            log.warning(line)
        return build(keyring.held(settings))
    except startup.BadSettings as error:
        raise CannotStartError(error.faults, os.EX_CONFIG) from None
    except OtpError as error:
        elsewhere = sharing(settings.otp_store_url) == "network"  # it may recover by itself
        status = os.EX_TEMPFAIL if elsewhere else os.EX_CONFIG
        raise CannotStartError([f"OTP_STORE_URL: {error}"], status) from None
    except (keyring.BadKeyFile, ValueError) as error:
        raise CannotStartError([str(error)], os.EX_CONFIG) from None
