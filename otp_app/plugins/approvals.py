"""The function of OTP_ON_APPROVED, called after each approval; the answer waits for it a limited time only."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from otp_app.core.events import Approval, ApprovalListener
from otp_app.plugins.calls import Calls, NoRoom, Overdue
from otp_app.plugins.isolation import PluginFault

TIMEOUT = 2.0  # seconds that the answer to an approval waits for the function
CALLS_AT_ONCE = 64  # threads of a worker that may be inside the function, those that hang included

log = logging.getLogger(__name__)


def bounded(
    listener: Callable[[Approval], object], timeout: float = TIMEOUT, calls_at_once: int = CALLS_AT_ONCE
) -> ApprovalListener:
    """Return a listener that never raises and returns within `timeout` seconds, even where the function does not.

    A function that hangs still runs. While `calls_at_once` calls hang, it is not called, which is logged each time.
    """
    calls = Calls("approval", timeout, calls_at_once)

    def listen(approval: Approval) -> None:
        try:
            calls.make(lambda: _call(listener, approval))
        except PluginFault as fault:
            _log_fault(approval, f"it raised {fault}")
        except Overdue:
            _log_fault(approval, f"it has not returned within {timeout:g} s, and the answer goes out without it")
        except NoRoom as reason:
            _log_fault(approval, f"it was NOT called: {reason}")

    return listen


def _call(listener: Callable[[Approval], object], approval: Approval) -> None:
    answer: Any = listener(approval)
    if hasattr(answer, "__await__"):
        if hasattr(answer, "close"):
            answer.close()  # or Python warns that it was never awaited
        raise TypeError("it returned what must be awaited")


def _log_fault(approval: Approval, what: str) -> None:
    log.error("OTP_ON_APPROVED: verification %s: %s", approval.verification_id, what)
