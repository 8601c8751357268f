"""Needs PyJWT: pip install 'pyjwt[crypto]>=2.12'"""

import base64
import json
import re
import time

import jwt

LEEWAY, LONGEST_LIFE = 10, 600  # seconds: by which the clocks may differ, and between iat and exp
TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


def verify_proof(token, keys, *, issuer, audience, purpose, nonce):
    """Return the claims of a proof. `keys`: a list of JWKs. Raises jwt.InvalidTokenError."""
    if not isinstance(token, str) or len(token) > 4096 or not TOKEN.fullmatch(token):
        raise jwt.InvalidTokenError("not a token")
    head, body, signature = token.split(".")
    header = parse(head)
    kid = header.get("kid")
    jwk = next((key for key in keys if isinstance(kid, str) and key.get("kid") == kid), None)
    if jwk is None or header.get("typ") != "otp-proof+jwt" or "crit" in header:
        raise jwt.InvalidTokenError("not a proof, or an unknown key")
    # The key decides the algorithm: a token that names another is rejected.
    if header.get("alg") != jwk["alg"] or jwk["alg"] not in ("EdDSA", "HS256"):
        raise jwt.InvalidTokenError("the wrong algorithm")
    decode(signature)
    jwt.PyJWS().decode(token, jwt.PyJWK(jwk), algorithms=[jwk["alg"]])
    claims = parse(body)
    texts = [claims.get(name) for name in ("iss", "aud", "purpose", "nonce", "jti", "phone_number")]
    is_wanted = texts[:4] == [issuer, audience, purpose, nonce] and claims.get("phone_number_verified") is True
    if not is_wanted or not all(isinstance(text, str) for text in texts):
        raise jwt.InvalidTokenError("a proof for something else")
    iat, exp, nbf = (claims.get(name) for name in ("iat", "exp", "nbf"))
    nbf = nbf if "nbf" in claims else iat
    if not all(map(is_whole, (iat, exp, nbf))) or not 0 < exp - iat <= LONGEST_LIFE:
        raise jwt.InvalidTokenError("a time is missing or invalid")
    now = time.time()
    if exp <= now - LEEWAY or max(iat, nbf) > now + LEEWAY:
        raise jwt.InvalidTokenError("expired, or not valid yet")
    return claims


def is_whole(value):
    """Whether a value is an integer that every JSON parser reads exactly."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**53 and value % 1 == 0


def parse(part):
    """Return the JSON object in base64url."""
    try:
        found = json.loads(decode(part).decode(), parse_constant=int)  # NaN is not JSON: int raises ValueError
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise jwt.InvalidTokenError("not a JSON object")
    return found


def decode(part):
    """Return the bytes of base64url, which must be in its canonical form."""
    try:
        found = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        found = b""
    if base64.urlsafe_b64encode(found).rstrip(b"=").decode() != part:
        raise jwt.InvalidTokenError("not base64url")
    return found
