"""The start of a process that gunicorn does not run, and a line for each reason why it cannot start."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from otp_app import startup
from otp_app.apis.command import CannotServeError
from otp_app.core.errors import OtpError
from otp_app.settings import Settings, keyring
from otp_app.startup.fallback import settle
from otp_app.stores import sharing
from otp_app.system.logs import log, set_up

Advice = Callable[[Settings], list[str]]


def run(load: Callable[[], Settings], work: Callable[[Settings], None], advice: Advice = startup.advice) -> int:
    """Load settings, work with them until the process is asked to end, and return the exit status.

    It is 75 if what prevents the start may pass by itself, 78 if somebody has to change something.
    """
    elsewhere = False
    try:
        settings = load()
        elsewhere = sharing(settings.otp_store_url) == "network"  # such a store may recover by itself
        work(prepared(settings, advice))
    except startup.BadSettings as error:
        return _refused("\n".join(error.faults))
    except CannotServeError as error:
        return _refused(str(error), passing=error.passing)
    except OtpError as error:
        return _refused(f"OTP_STORE_URL: {error}", passing=elsewhere or error.passing)
    except (keyring.BadKeyFile, ValueError) as error:
        return _refused(str(error))
    return os.EX_OK


def prepared(settings: Settings, advice: Advice = startup.advice) -> Settings:
    """Return the settings to run with, after the checks that serving/checks.py makes for the HTTP server.

    Raises BadSettings, BadKeyFile, StoreUnavailable.
    """
    set_up(settings.otp_log_level, settings.otp_log_format)
    settings, lines = settle(settings)
    for line in advice(settings) + lines + startup.prepare(settings):
        log.warning(line)
    return keyring.held(settings)


def _refused(lines: str, *, passing: bool = False) -> int:
    print(lines, file=sys.stderr)
    return os.EX_TEMPFAIL if passing else os.EX_CONFIG
