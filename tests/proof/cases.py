"""The tokens of table.json: those that a verifier accepts, and those that each have one thing wrong."""

from __future__ import annotations

import base64
import hmac
import json
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from otp_app.core.events import Approval
from otp_app.core.instant import Instant
from otp_app.proof import Proofs, parse_proof_keys

OTHER = {"h1": "h2", "e1": "e2"}
#: What every verifier must make of which token: one table for the three languages.
TABLE: list[dict[str, Any]] = json.loads(Path(__file__).with_name("table.json").read_text(encoding="utf-8"))
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
    """What a verifier knows: the public keys as published, and the shared secrets as they stand in the setting."""
    shared = {"h1": SECRET, "h2": OTHER_SECRET}
    public = json.loads(json.dumps(proofs("h1").public_keys))
    return [*public, *({"kty": "oct", "kid": i, "alg": "HS256", "k": base64_of(k)} for i, k in shared.items())]


def good(key_id: str, age: float = 0, **given: Any) -> str:
    """A proof of APPROVAL."""
    return proofs(key_id, age, **given).token(APPROVAL, WANTED["audience"], WANTED["nonce"])


def url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Its header and its claims."""
    header, claims, _ = (base64.urlsafe_b64decode(part + "==") for part in token.split("."))
    return json.loads(header), json.loads(claims)


def signature(key_id: str, text: bytes) -> bytes:
    if key_id in ("e1", "e2"):
        return Ed25519PrivateKey.from_private_bytes({"e1": SEED, "e2": OTHER_SEED}[key_id]).sign(text)
    return hmac.digest({"h1": SECRET, "h2": OTHER_SECRET}[key_id], text, "sha256")


def built(row: dict[str, Any], key_id: str) -> str:
    """The token that a row of the table describes: a good proof of a key but for what the row says."""
    token = good(key_id, row.get("age", 0))
    header, claims = parts(token)
    stands = {"OTHER": OTHER[key_id], "KID": key_id, "ALG": header["alg"], "LONG": "x" * 4096}
    for part, changes in ((header, row.get("header", {})), (claims, row.get("claims", {}))):
        part |= {name: _value(value, stands) for name, value in changes.items()}
        part.pop(row.get("without", ""), None)
    text = [_text(row.get("header_text", "{…}"), header), _text(row.get("claims_text", "{…}"), claims)]
    head, body = (url64(part.encode(row.get("encoding", "utf-8"))) for part in text)
    mac = url64(signature(stands.get(row.get("signed_by", ""), key_id), f"{head}.{body}".encode()))
    if unsigned := row.get("claims_unsigned"):
        body = url64(json.dumps(claims | unsigned).encode())
    made: str = row.get("token", "HEAD.BODY.MAC")
    spelling = {"HEAD": head, "BODY": body, "HALF": mac[:-20], "FLIPPED": _next(mac[0]) + mac[1:]}
    for name, value in (spelling | {"SPARE": mac[:-1] + _next(mac[-1]), "MAC": mac}).items():
        made = made.replace(name, value)
    return made


def _value(value: Any, stands: dict[str, str]) -> Any:
    if isinstance(value, dict) and "now" in value:
        return int(time.time()) + value["now"]
    if isinstance(value, list):
        return [_value(part, stands) for part in value]
    return stands.get(value, value) if isinstance(value, str) else value


def _text(form: str, part: dict[str, Any]) -> str:
    now = str(int(time.time()))
    deep = "[" * 1200 + "]" * 1200  # over what Python's parser takes, and under the longest proof
    return form.replace("DEEP", deep).replace("NOW", now).replace("…", json.dumps(part)[1:-1])


def _next(letter: str) -> str:
    """The letter of base64url whose value differs in its lowest bit."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return letters[letters.index(letter) ^ 1]


def confused() -> str:
    """HS256, signed with what everybody knows of an EdDSA key."""
    header, claims = parts(good("e1"))
    x = next(key["x"] for key in jwks() if key["kid"] == "e1")
    text = ".".join(url64(json.dumps(part).encode()) for part in (header | {"alg": "HS256"}, claims))
    return f"{text}.{url64(hmac.digest(base64.urlsafe_b64decode(x + '='), text.encode(), 'sha256'))}"
