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
    return bool(settings.otp_api_keys) or settings.otp_public or _only_own_callers(settings)


def callers_variable(settings: Settings) -> str:
    """Return which variable names the callers of the APIs served, and how to make one; "": OTP_API_KEYS."""
    served = [settings.apis[name].callers for name in settings.otp_apis if name in settings.apis]
    if len(served) == len(settings.otp_apis) and all(served):
        return " and ".join(served)
    return ""


def _only_own_callers(settings: Settings) -> bool:
    """Return whether every API that is served has callers with credentials of its own."""
    served = [settings.apis.get(name) for name in settings.otp_apis]
    return bool(served) and all(model is not None and model.has_callers for model in served)
