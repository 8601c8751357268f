"""Session tokens of the phone API: signed names of one verification of one number, of which nothing is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jwt

ALGORITHM = "HS256"
MAX_LENGTH = 1024  # ours have some 250 characters
NONCE_BYTES = 12


class SessionTokens:
    """Makes and reads JSON Web Tokens (RFC 7519), each signed with the key that its header names.

    `keys` are 32 bytes each, by key id; `current` is the id of the one that signs. With a key its tokens are gone too.
    """

    def __init__(self, keys: Mapping[str, bytes], current: str, random_bytes: Callable[[int], bytes]) -> None:
        self._keys, self._current, self._random_bytes = keys, current, random_bytes

    def issue(self, phone: str, verification_id: str) -> str:
        """Return a token, another one each time, that opens this verification of this number (E.164) and no other.

        Without an id it opens none but looks like any other, so it does not show that nothing was sent.
        """
        verification_id = verification_id or f"VE{self._random_bytes(16).hex()}"
        nonce = f"{verification_id}.{self._random_bytes(NONCE_BYTES).hex()}"
        claims = {"phone_number": phone, "nonce": nonce}
        return jwt.encode(claims, self._keys[self._current], ALGORITHM, headers={"kid": self._current})

    def read(self, token: str) -> tuple[str, str] | None:
        """Return the number and the verification id of a token; None for any text that was not issued here."""
        if len(token) > MAX_LENGTH or not token.isascii():
            return None
        try:
            key = self._keys[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(token, key, algorithms=[ALGORITHM])
        except (jwt.PyJWTError, KeyError):
            return None
        match claims:
            case {"phone_number": str(phone), "nonce": str(nonce), **more} if not more:
                return phone, nonce.partition(".")[0]
        return None
