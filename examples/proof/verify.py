"""Needs PyJWT: pip install 'pyjwt[crypto]'"""

import jwt

LEEWAY = 10  # seconds by which the clocks may differ
CLAIMS = ["iss", "aud", "iat", "exp", "jti", "phone_number", "phone_number_verified", "purpose", "nonce"]


def verify_proof(token, keys, *, issuer, audience, purpose, nonce):
    """Return the claims of a proof. `keys`: a list of JWKs. Raises jwt.InvalidTokenError."""
    header = jwt.get_unverified_header(token)
    jwk = next((key for key in keys if key["kid"] == header.get("kid")), None)
    if jwk is None or header.get("typ") != "otp-proof+jwt":
        raise jwt.InvalidTokenError("no proof, or of an unknown key")
    claims = jwt.decode(
        token,
        jwt.PyJWK(jwk),
        algorithms=[jwk["alg"]],  # as the key says, never as the token says
        issuer=issuer,
        audience=audience,
        leeway=LEEWAY,
        options={"require": CLAIMS, "strict_aud": True},
    )
    if claims["phone_number_verified"] is not True or (claims["purpose"], claims["nonce"]) != (purpose, nonce):
        raise jwt.InvalidTokenError("a proof of something else")
    return claims
