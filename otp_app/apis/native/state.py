"""What the views of the native API work with, beside what all APIs do."""

from __future__ import annotations

from dataclasses import dataclass

from otp_app.proof import Proofs
from otp_app.web.polling import LongPolls


@dataclass(frozen=True, slots=True)
class Native:
    """`proofs` makes the signed statements about an approval; None where OTP_PROOF_KEYS has no keys for them."""

    proofs: Proofs | None
    polls: LongPolls
