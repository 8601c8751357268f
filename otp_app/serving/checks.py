"""What is checked before a server starts, reloads or is replaced."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import NoReturn

from otp_app import startup
from otp_app.core.errors import OtpError
from otp_app.settings import Settings, keyring
from otp_app.startup import fallback, listening, reloading, rules
from otp_app.stores import sharing
from otp_app.system.logs import log

Checked = tuple[Settings | None, list[str], int]


def refuse(faults: Iterable[str], status: int = os.EX_CONFIG) -> NoReturn:
    """Exit with a line for each fault."""
    sys.stderr.writelines(f"{fault}\n" for fault in faults)
    sys.exit(status)


def checked(addresses: Sequence[object], running: Settings | None = None) -> Checked:
    """Return the current settings with their keys, a line for each reason not to run with them, and the exit status.

    The settings contain the keys, because later workers must not need the key file.
    """
    try:
        settings = fallback.without(startup.load()) if running else startup.load()
        if running and (opening := reloading.faults(running, settings)):
            return None, opening, os.EX_CONFIG
        if open_to_others := reachable(settings, addresses):
            return None, open_to_others, os.EX_CONFIG
        settings, lines = fallback.settle(settings)
        for line in lines + startup.prepare(settings):
            log.warning(line)
        unreachable = startup.unreachable(settings)
        if unreachable and running:  # running workers still have the previous users
            return None, unreachable, os.EX_CONFIG
        for line in unreachable:
            log.warning(line)  # the directory may recover, and until then requests get 503
        startup.prepare_apis(settings)
        return keyring.held(settings), [], os.EX_OK
    except keyring.BadKeyFile as error:
        return None, [str(error)], os.EX_CONFIG
    except startup.BadSettings as error:
        return None, error.faults, os.EX_CONFIG
    except OtpError as error:
        # A store on another machine may recover by itself, as after a power failure, and so may a file that is locked
        # or has no room: systemd restarts the server.
        passing = error.passing or sharing(settings.otp_store_url) == "network"
        return None, [f"OTP_STORE_URL: {error}"], os.EX_TEMPFAIL if passing else os.EX_CONFIG


def reachable(settings: Settings, addresses: Iterable[object]) -> list[str]:
    """Return a line for each bound address that others can reach although the settings allow no clients."""
    return [fault for address in addresses if (fault := rules.bound(settings, address))]


def taken(addresses: Iterable[object]) -> list[str]:
    """Return a line for each address that cannot be had; gunicorn would retry for 5 s and log ten lines."""
    if "GUNICORN_FD" in os.environ or "LISTEN_FDS" in os.environ:  # inherited sockets are our own
        return []
    found = (listening.why_not(*address) for address in addresses if isinstance(address, tuple))
    return [line for line in found if line]
