"""The faces: which blueprints each one is made of, and which operation of a client they count as.

A face is removed by deleting its file or folder, and its entry here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Face:
    """The blueprints of a face, each as `module:name`."""

    sends: tuple[str, ...] = ()  # counted against OTP_CLIENT_LIMITS
    checks: tuple[str, ...] = ()  # counted against OTP_CHECK_LIMITS
    others: tuple[str, ...] = ()

    @property
    def blueprints(self) -> tuple[str, ...]:
        """All of them."""
        return self.sends + self.checks + self.others


HERE = __name__
FACES = {
    "native": Face(
        sends=(f"{HERE}.native.send:bp", f"{HERE}.native.resend:bp"),
        checks=(f"{HERE}.native.verify:bp",),
        others=(f"{HERE}.native.verifications:bp",),
    ),
    "phone": Face(sends=(f"{HERE}.phone.views:sends",), checks=(f"{HERE}.phone.views:checks",)),
    "users": Face(
        sends=(f"{HERE}.users.views:sends",),
        checks=(f"{HERE}.users.views:checks",),
        others=(f"{HERE}.users.views:root",),
    ),
    "verify_v2": Face(
        sends=(f"{HERE}.verify_v2.verification_views:sends",),
        checks=(f"{HERE}.verify_v2.verification_views:checks",),
        others=(f"{HERE}.verify_v2.verification_views:others", f"{HERE}.verify_v2.service_views:bp"),
    ),
}
