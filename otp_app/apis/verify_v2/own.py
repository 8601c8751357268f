"""The Verify services of the account that asks. No view looks at those of another."""

from __future__ import annotations

from otp_app.apis.verify_v2.service_registry import AccountServices
from otp_app.web.current import caller, services


def own_services() -> AccountServices:
    """Return the services that the caller's account may use."""
    return services().verify_services.of(caller().account)
