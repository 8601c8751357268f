"""What the views of the Verify API work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from otp_app.apis.verify_v2.service_registry import AccountServices, VerifyService, VerifyServices
from otp_app.core.service import VerificationService
from otp_app.history.attempts import Attempts
from otp_app.web.current import caller, state


@dataclass(frozen=True, slots=True)
class Verify:
    """`services` are Twilio's Verify services; `verifications` returns those with the figures and words of one."""

    services: VerifyServices
    verifications: Callable[[VerifyService], VerificationService]
    attempts: Attempts | None  # None: no history is kept


def own_services() -> AccountServices:
    """Return the services that the caller's account may use. No view looks at those of another."""
    return state(Verify).services.of(caller().account)
