"""Tokens that a verifier accepts, and tokens that each have one thing wrong. Made by hand, so that anything can be."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from otp_app.core.interfaces import Approval, Instant
from otp_app.proof import Proofs, parse_proof_keys

SEED, OTHER_SEED = b"\x01" * 32, b"\x02" * 32
SECRET, OTHER_SECRET = b"\xfb\xff" * 17, b"\x03" * 32  # base64 of the first has +, / and =
WANTED = {"issuer": "otp_app", "audience": "https://shop.example", "purpose": "pay", "nonce": "n-0S6_WzA2Mj"}
APPROVAL = Approval("+14155552671", "pay", "VE" + "0" * 32, "sms", 0.0)


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


KEYS = parse_proof_keys(
    f"h1:HS256:{base64_of(SECRET)},e1:EdDSA:{base64_of(SEED)},"
    f"h2:HS256:{base64_of(OTHER_SECRET)},e2:EdDSA:{base64_of(OTHER_SEED)}"
)


def proofs(key_id: str, age: float = 0, **given: Any) -> Proofs:
    """Proofs as a server makes them that signs with this key and began `age` seconds ago."""
    now = time.time() - age
    keys = sorted(KEYS, key=lambda key: key.id != key_id)
    return Proofs(keys, **{"issuer": "otp_app", "ttl": 120.0, "clock": lambda: Instant(now, "", 0.0)} | given)


def jwks() -> list[dict[str, str]]:
    """What a verifier knows: the public keys as told, and the shared secrets as they stand in the setting."""
    shared = {"h1": SECRET, "h2": OTHER_SECRET}
    told = json.loads(json.dumps(proofs("h1").public_keys))
    return [*told, *({"kty": "oct", "kid": i, "alg": "HS256", "k": base64_of(k)} for i, k in shared.items())]


def good(key_id: str, age: float = 0, **given: Any) -> str:
    """A proof of APPROVAL."""
    return proofs(key_id, age, **given).token(APPROVAL, WANTED["audience"], WANTED["nonce"])


def url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Its header and its claims."""
    header, claims, _ = (base64.urlsafe_b64decode(part + "==") for part in token.split("."))
    return json.loads(header), json.loads(claims)


def signed(key_id: str, header: Any, claims: Any) -> str:
    """A token with this header and these claims and a signature that is right for this key."""
    text = ".".join(url64(json.dumps(part).encode()) for part in (header, claims))
    return f"{text}.{url64(signature(key_id, text.encode()))}"


def signature(key_id: str, text: bytes) -> bytes:
    if key_id in ("e1", "e2"):
        return Ed25519PrivateKey.from_private_bytes({"e1": SEED, "e2": OTHER_SEED}[key_id]).sign(text)
    return hmac.digest({"h1": SECRET, "h2": OTHER_SECRET}[key_id], text, "sha256")


def changed(key_id: str, name: str, value: Any = None) -> str:
    """A good proof with another value under one name of its header or claims (None: without it), signed again."""
    header, claims = parts(good(key_id))
    part = header if name in header else claims
    part.pop(name)
    part |= {} if value is None else {name: value}
    return signed(key_id, header, claims)


def accepted(key_id: str) -> dict[str, str]:
    """Tokens that are good, by what is special about them."""
    return {"fresh": good(key_id), "expired a moment ago": good(key_id, 125), "of a fast clock": good(key_id, -5)}


def refused(key_id: str) -> dict[str, str]:
    """Tokens that are not, by the one thing that is wrong."""
    now, token = int(time.time()), good(key_id)
    header, claims = parts(token)
    head, body, mac = token.split(".")
    other = {"h1": "h2", "e1": "e2"}[key_id]
    without = ("iss", "aud", "iat", "exp", "jti", "nonce", "purpose", "phone_number", "phone_number_verified")
    wrong = {
        "iss": "other", "aud": "https://other.example", "nonce": "other", "purpose": "login", "typ": "JWT",
        "kid": other, "exp": now - 60, "iat": now + 60, "phone_number_verified": False,
    }  # fmt: skip
    return {
        **{f"other {name}": changed(key_id, name, value) for name, value in wrong.items()},
        **{f"no {name}": changed(key_id, name) for name in (*without, "typ", "kid")},
        "an unknown kid": changed(key_id, "kid", "e9"),
        "a kid that is a list": changed(key_id, "kid", [key_id]),
        "several audiences": changed(key_id, "aud", [WANTED["audience"], "https://other.example"]),
        "alg none": f"{url64(json.dumps(header | {'alg': 'none'}).encode())}.{body}.",
        "alg none, signed": signed(key_id, header | {"alg": "none"}, claims),
        "alg HS512": signed(key_id, header | {"alg": "HS512"}, claims),
        "signed by the other key": signed(other, header, claims),
        "another phone": f"{head}.{url64(json.dumps(claims | {'phone_number': '+14155550000'}).encode())}.{mac}",
        "another signature": f"{head}.{body}.{'B' if mac[0] == 'A' else 'A'}{mac[1:]}",
        "half a signature": f"{head}.{body}.{mac[:-20]}",
        "no signature": f"{head}.{body}.",
        "no parts": "token",
        "four parts": f"{token}.x",
        "nothing": "",
        "a blank": f"{token}\n",
        "no JSON": f"{url64(b'{')}.{body}.{mac}",
        "null": f"{url64(b'null')}.{body}.{mac}",
        "a header that is a text": f"{url64(json.dumps('kid').encode())}.{body}.{mac}",
        "no base64": f"!{token}",
    }


def confused() -> str:
    """HS256, signed with what everybody knows of an EdDSA key."""
    header, claims = parts(good("e1"))
    x = next(key["x"] for key in jwks() if key["kid"] == "e1")
    text = ".".join(url64(json.dumps(part).encode()) for part in (header | {"alg": "HS256"}, claims))
    return f"{text}.{url64(hmac.digest(base64.urlsafe_b64decode(x + '='), text.encode(), 'sha256'))}"
