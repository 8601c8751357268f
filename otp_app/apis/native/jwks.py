"""GET /.well-known/jwks.json: by which keys a proof can be checked."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from otp_app.apis.native.state import Native
from otp_app.web.access import requires
from otp_app.web.current import state

bp = Blueprint("proof", __name__)


@bp.get("/.well-known/jwks.json")
@requires(None)
def jwks() -> Response:
    """Return the public keys (RFC 7517). Shared secrets are not among them."""
    proofs = state(Native).proofs
    assert proofs is not None  # noqa: S101  this blueprint is registered only where there are keys
    return jsonify({"keys": proofs.public_keys})
