"""Proofs: signed tokens by which another service can trust an approval without asking this server.

A proof is a JSON Web Token (RFC 7519) of a type of its own (RFC 8725, 3.11). docs/proof.md says what to check.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from otp_app.core.codes import parse_secret
from otp_app.core.events import Approval
from otp_app.core.instant import Clock
from otp_app.plugins.extras import install_command

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

TYPE = "otp-proof+jwt"
ALGORITHMS = ("HS256", "EdDSA")
_KEY = re.compile(rf"([A-Za-z0-9_-]{{1,16}}):({'|'.join(ALGORITHMS)}):(.*)")


@dataclass(frozen=True, slots=True)
class ProofKey:
    """One key with its id."""

    id: str
    algorithm: str
    signing: bytes | Ed25519PrivateKey = field(repr=False)
    secret: bytes = field(repr=False)  # what was written: the key of HS256, the seed of EdDSA
    jwk: Mapping[str, str] | None = None  # what everybody may know of it (RFC 8037); None: nothing


class Proofs:
    """Signs what approvals have shown. The first key signs; the public halves of all are published."""

    def __init__(self, keys: Sequence[ProofKey], *, issuer: str, ttl: float, clock: Clock) -> None:
        from jwt import encode  # here, because who has no such key needs no such package

        self._encode = encode
        self._key, self._issuer, self._ttl, self._clock = keys[0], issuer, int(ttl), clock
        self.public_keys = [key.jwk for key in keys if key.jwk]

    def token(self, approval: Approval, audience: str, nonce: str = "") -> str:
        """Return the proof of an approval, for one audience; it lives `ttl` seconds.

        Its `jti` is the verification's id: an approval happens once, and so does its proof.
        """
        now = int(self._clock().wall)
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": audience,
            "iat": now,
            "exp": now + self._ttl,
            "jti": approval.verification_id,
            "phone_number": approval.phone,
            "phone_number_verified": True,
            "purpose": approval.purpose,
            "verification_id": approval.verification_id,
            "channel": approval.channel,
        }
        if nonce:
            claims["nonce"] = nonce
        headers = {"typ": TYPE, "kid": self._key.id}
        return self._encode(claims, self._key.signing, self._key.algorithm, headers)


def parse_proof_keys(text: str) -> tuple[ProofKey, ...]:
    """Read `p2:HS256:<base64>,p1:EdDSA:<base64>`, the first of which signs.

    Raises ValueError that names the fault, never a key.
    """
    keys: dict[str, ProofKey] = {}
    for item in text.split(","):
        key = _parse_key(item.strip())
        if key.id in keys:
            raise ValueError("a key id stands twice")
        keys[key.id] = key
    return tuple(keys.values())


def new_key(algorithm: str) -> str:
    """Return a new key as OTP_PROOF_KEYS takes it, its id new too: verifiers keep keys by their ids."""
    secret = base64.b64encode(secrets.token_bytes(32)).decode()
    return f"p{secrets.token_hex(4)}:{algorithm}:{secret}"


def _parse_key(item: str) -> ProofKey:
    match = _KEY.fullmatch(item)
    if match is None:
        raise ValueError(f"each key is written ID:{'|'.join(ALGORITHMS)}:BASE64, the id in 1 to 16 letters or digits")
    key_id, algorithm, secret = match[1], match[2], parse_secret(match[3])
    return _ed25519(key_id, secret) if algorithm == "EdDSA" else ProofKey(key_id, algorithm, secret, secret)


def _ed25519(key_id: str, seed: bytes) -> ProofKey:
    if len(seed) != 32:
        raise ValueError("an EdDSA key is longer than the 32 bytes of an Ed25519 seed")
    try:  # here, because who has no such key needs no such package
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ModuleNotFoundError:
        raise ValueError(f"EdDSA keys need another package: {install_command('cryptography')}") from None
    key = Ed25519PrivateKey.from_private_bytes(seed)
    x = base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).rstrip(b"=").decode()
    jwk = {"kty": "OKP", "crv": "Ed25519", "kid": key_id, "alg": "EdDSA", "use": "sig", "x": x}
    return ProofKey(key_id, "EdDSA", key, seed, jwk)
