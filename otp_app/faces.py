"""The faces: which blueprints each one is made of, and which operation of a client they count as.

A face is removed by deleting its file or folder, and its entry here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Face:
    """The blueprints of a face, each as `module of otp_app.web:name`."""

    sends: tuple[str, ...] = ()  # counted against OTP_CLIENT_LIMITS
    checks: tuple[str, ...] = ()  # counted against OTP_CHECK_LIMITS
    others: tuple[str, ...] = ()

    @property
    def blueprints(self) -> tuple[str, ...]:
        """All of them."""
        return self.sends + self.checks + self.others


FACES = {
    "native": Face(sends=("send:bp", "resend:bp"), checks=("verify:bp",), others=("verifications:bp",)),
    "phone": Face(sends=("phone.views:sends",), checks=("phone.views:checks",)),
    "users": Face(sends=("users:sends",), checks=("users:checks",), others=("users:root",)),
    "verify_v2": Face(
        sends=("verify_v2.verifications:sends",),
        checks=("verify_v2.verifications:checks",),
        others=("verify_v2.verifications:others", "verify_v2.services:bp"),
    ),
}
