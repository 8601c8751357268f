"""Secrets that protect nothing: too regular to be random, copied from a document, or used for two purposes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import combinations, pairwise

#: 32 random bytes have some 30 different ones, hexadecimal digits as text 16
LEAST_DIFFERENT = 10
#: what a provider gives out has 32 hexadecimal digits or more; `""` in quotes that a program keeps, or `false`, has not
LEAST_LENGTH, LEAST_CHARACTERS = 16, 6
#: a token that docs/verify-v2.md had as an example, together with the line of settings for it
PUBLISHED = "49675363c271fcef777bdc02b7d5620a"
#: SHA-256 of what people write where a secret is to be made: nothing, as of a variable without a value, what tools
#: write for it, and the words of documents, also with the line break that `echo` adds
DIGESTS_OF_NONE = {
    hashlib.sha256(f"{text}{end}".encode()).hexdigest()
    for text in (
        "", '""', "''", "null", "None", "nil", "undefined", "false", "your-secret", "your_secret", "changeme",
        "change-me", "secret", "password", "test", PUBLISHED,
    )
    for end in ("", "\n")
}
#: placeholders that documents use for a secret, what tools write where there is none (`jq -r` prints null), and ids of
#: Twilio's, which are no secrets
PLACEHOLDER = re.compile(
    r"<.*>|\$\{?\w.*|\*{3,}|\.{3,}|x{4,}|.*(change[-_ ]?me|place[-_ ]?holder|(your|my)[-_ ]+\w|replace[-_ ]\w).*|todo"
    r"|null|none|nil|undefined|\{\{.*\}\}|(AC|SK|VA|MG|HX)[0-9a-f]{32}|(?-i:%?[A-Z]+(_[A-Z]+)+%?)",
    re.IGNORECASE | re.DOTALL,
)

Role = tuple[str, bytes]  # the variable and the secret


def is_placeholder(text: str) -> bool:
    """Return whether a text is a placeholder for a secret."""
    return bool(PLACEHOLDER.fullmatch(text))


def is_guessable(text: str) -> bool:
    """Return whether a secret that a provider gave out cannot be one: too short, or nearly the same character over and
    over. Whoever guesses it signs as that provider.
    """
    return len(text) < LEAST_LENGTH or len(set(text)) < LEAST_CHARACTERS


def weak(secret: bytes) -> bool:
    """Return whether a key cannot be random: few different bytes or steps between them, one piece repeated, a
    word of a document, or the digest of one.
    """
    periods = (secret[n:] == secret[:-n] for n in range(1, len(secret) // 2 + 1))
    steps = {(after - before) % 256 for before, after in pairwise(secret)}
    is_word = secret.isascii() and is_placeholder(secret.decode())  # other bytes are no word of a document
    is_digest = not DIGESTS_OF_NONE.isdisjoint({secret.hex(), secret.decode("latin-1").strip().lower()})
    return min(len(set(secret)), len(steps)) < LEAST_DIFFERENT or any(periods) or is_word or is_digest


def faults(roles: Sequence[Role]) -> list[str]:
    """Return a line for each variable with a weak secret, and for each pair of equal secrets."""
    regular = [f"{name}: a key is not random: make one with `python -m otp_app keys`" for name, s in roles if weak(s)]
    twice = [
        f"{name}: one secret is used for two keys: make another with `python -m otp_app keys`"
        if name == other
        else f"{name}, {other}: one secret has two purposes: make another with `python -m otp_app keys`"
        for (name, secret), (other, second) in combinations(roles, 2)
        if _forms(secret) & _forms(second)
    ]
    return list(dict.fromkeys(regular + twice))


def _forms(secret: bytes) -> set[bytes]:
    """Return the secret, and what it decodes to as base64 or as hexadecimal digits."""
    return {secret, *_decoded(secret)}


def _decoded(secret: bytes) -> Iterable[bytes]:
    with suppress(ValueError):
        yield base64.b64decode(secret, validate=True)
    with suppress(ValueError):
        yield binascii.unhexlify(secret)
