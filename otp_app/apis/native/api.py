"""The native API, as the server opens it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from flask import Blueprint

from otp_app.apis.native import jwks, resend, send, verifications, verify
from otp_app.apis.native.state import Native
from otp_app.proof import Proofs, parse_proof_keys
from otp_app.settings import Settings
from otp_app.settings.checks import Words
from otp_app.web.api import Api
from otp_app.web.polling import LongPolls
from otp_app.wiring import Services


class NativeApi(Api):
    """Codes by number: POST /send-otp, /resend-otp and /verify-otp, verifications by id, and keys of proofs."""

    sends: ClassVar = (send.bp, resend.bp)
    checks: ClassVar = (verify.bp,)
    others: ClassVar = (verifications.bp,)
    endpoints: ClassVar = {
        "send_otp": "POST /send-otp", "resend_otp": "POST /resend-otp", "verify_otp": "POST /verify-otp",
    }  # fmt: skip

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self.state = Native(_proofs(services), LongPolls(services.clock))

    @classmethod
    def words(cls, settings: Settings) -> list[Words]:
        """Those of the server, for apps too."""
        return [Words.of(settings, for_apps=True)]

    def blueprints(self) -> tuple[Blueprint, ...]:
        """The public keys of proofs are served where there are any."""
        return super().blueprints() + ((jwks.bp,) if self.services.settings.otp_proof_keys else ())

    def documents(self, folder: Path) -> list[Path]:
        """Likewise."""
        proofs = [folder / "jwks.openapi.json"] if self.services.settings.otp_proof_keys else []
        return super().documents(folder) + proofs


def _proofs(services: Services) -> Proofs | None:
    settings = services.settings
    if not settings.otp_proof_keys:
        return None
    keys = parse_proof_keys(settings.otp_proof_keys)
    return Proofs(keys, issuer=settings.otp_proof_issuer, ttl=settings.otp_proof_ttl, clock=services.clock)
