"""What the views of the phone API work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from otp_app.apis.phone.session_tokens import SessionTokens
from otp_app.apis.phone.settings import PhoneVerification
from otp_app.core.service import VerificationService


@dataclass(frozen=True, slots=True)
class Phone:
    """`verifications` has the figures and words of this API; `new_code` makes the code of a send, "": the server's."""

    verifications: VerificationService
    sessions: SessionTokens
    new_code: Callable[[], str]
    chosen: PhoneVerification
