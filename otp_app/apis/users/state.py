"""What the views of the users API work with."""

from __future__ import annotations

from dataclasses import dataclass

from otp_app.apis.users.directories import Directory
from otp_app.core.service import VerificationService


@dataclass(frozen=True, slots=True)
class Users:
    """`verifications` has the figures and words of this API, `directory` the number of each user."""

    verifications: VerificationService
    directory: Directory
    expose_phone: bool  # whether answers have whole numbers
