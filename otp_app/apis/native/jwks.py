"""GET /.well-known/jwks.json: by which keys a proof can be checked."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from otp_app.web.current import services
from otp_app.web.needs import needs

bp = Blueprint("proof", __name__)


@bp.get("/.well-known/jwks.json")
@needs(None)
def jwks() -> Response:
    """Tell the public keys (RFC 7517). Shared secrets are not among them."""
    proofs = services().proofs
    assert proofs is not None  # noqa: S101  this blueprint is registered only where there are keys
    return jsonify({"keys": proofs.public_keys})
