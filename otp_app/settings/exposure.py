"""Who can reach the server: this machine alone, or callers from elsewhere."""

from __future__ import annotations

import ipaddress

from otp_app.settings import Settings


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_open(settings: Settings) -> bool:
    """Return whether the settings allow callers from elsewhere."""
    only_accounts = settings.otp_apis == ("verify_v2",) and settings.otp_verify_accounts
    return bool(settings.otp_api_keys) or settings.otp_public or bool(only_accounts)
