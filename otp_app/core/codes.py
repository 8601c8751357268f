"""Codes and ids: derived, never stored.

A code is a function of a secret key and of what the code is for, so no readable code is stored and a
resend sends the same code. Ids name their ledger without showing the number.
"""

from __future__ import annotations

import base64
import hmac
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from otp_app.core import words
from otp_app.core.errors import UnknownKey

RandomBytes = Callable[[int], bytes]

CODE = re.compile(r"[0-9]{4,10}")  # a code: ASCII digits
LONGEST_TYPED = 64  # characters that a person may type for a code
_BLANKS = " \u00a0\u2009\u202f"  # plain, no-break, thin, narrow no-break
_HYPHENS = "-\u2010\u2011\u2013"  # plain, hyphen, no-break hyphen, en dash
LEDGER = "n:"  # the store's keys of ledgers begin with it
COUNTER = "w:"  # and those of the counters of people who write to us
SID_DIGITS = "[0-9a-f]{32}"  # of any id, behind its two letters
_ID = re.compile(f"VE{SID_DIGITS}")
_NAME_BYTES, _NONCE_BYTES = 9, 7


@dataclass(frozen=True, slots=True)
class CodeKeys:
    """The secret keys of codes by key id. `current` makes new codes; each one checks its own."""

    current: str
    keys: Mapping[str, bytes]

    def derive(
        self, key_id: str, *, verification_id: str, phone: str, purpose: str, generation: int, length: int
    ) -> str:
        """Return the code: `length` digits of HMAC-SHA256. Raises UnknownKey for a key that is not there.

        The digest is cut to a number of 256 bits before the modulus, so no digit is likelier than another
        (the bias is below 10**10 / 2**256).
        """
        what = f"otp code 1\0{verification_id}\0{phone}\0{purpose}\0{generation}\0{length}"
        number = int.from_bytes(self._mac(key_id, what))
        return f"{number % 10**length:0{length}d}"

    def for_use(self, use: str) -> dict[str, bytes]:
        """Return other keys with the same ids, for one use."""
        return {key_id: hmac.digest(key, f"otp use 1\0{use}".encode(), "sha256") for key_id, key in self.keys.items()}

    def _mac(self, key_id: str, what: str) -> bytes:
        if key_id not in self.keys:
            raise UnknownKey("This server does not hold the key of this code")
        return hmac.digest(self.keys[key_id], what.encode(), "sha256")


@dataclass(frozen=True, slots=True)
class FixedCode:
    """The code of a test number, to which no message is sent."""

    code: str
    until: float  # wall clock, seconds; later it is a number like any other


def matches(attempt: str, code: str) -> bool:
    """Compare in constant time. An attempt of another length is a wrong attempt."""
    return hmac.compare_digest(attempt.encode(), code.encode())


def as_typed(text: str) -> str:
    """Return the code that a person typed, in ASCII digits; "" where the text cannot be a code.

    Blanks, and hyphens between digits, do not count; a decimal digit of any script counts as its ASCII digit.
    """
    if CODE.fullmatch(text):
        return text
    if len(text) > LONGEST_TYPED or (typed := text.strip(_BLANKS)).strip(_HYPHENS) != typed:
        return ""  # a hyphen before the first digit would be a sign
    digits = [unicodedata.decimal(c, None) for c in typed if c not in _BLANKS + _HYPHENS]
    code = "".join("" if digit is None else str(digit) for digit in digits)
    return code if None not in digits and CODE.fullmatch(code) else ""


def shift_code(code: str, offset: int) -> str:
    """Return the code that is `offset` after this one, with as many digits."""
    length = len(code)
    return f"{(int(code) + offset) % 10**length:0{length}d}"


def code_offset(code: str, derived: str) -> int:
    """Return the offset with which `shift_code` makes `code` of `derived`. Alone it says nothing about either."""
    return int((int(code) - int(derived)) % 10 ** len(derived))


class LedgerIds:
    """Makes the keys of ledgers and the ids of verifications with the index key."""

    def __init__(self, index_key: bytes, random_bytes: RandomBytes) -> None:
        self._index_key = index_key
        self._id_key = hmac.digest(index_key, b"otp id key 1", "sha256")
        self._random_bytes = random_bytes

    def ledger(self, phone: str) -> str:
        """The store's key for a number (E.164): 72 bits of HMAC, so the number is not the key."""
        return self._key(hmac.digest(self._index_key, b"otp ledger 1\0" + phone.encode(), "sha256")[:_NAME_BYTES])

    def ledger_of_word(self, word: str) -> str:
        """The store's key of what a one-time word proves: likewise, so the word is stored nowhere."""
        return self._key(hmac.digest(self._index_key, b"otp word 1\0" + word.encode(), "sha256")[:_NAME_BYTES])

    def counter(self, what: str, name: str) -> str:
        """The store's key of a counter of what somebody did, who is not shown by it."""
        return COUNTER + hmac.digest(self._index_key, f"otp {what} 1\0{name}".encode(), "sha256")[:_NAME_BYTES].hex()

    def ledger_of(self, verification_id: str) -> str | None:
        """The store's key of the ledger that an id names; None where the text is no id."""
        if not _ID.fullmatch(verification_id):
            return None
        raw = bytes.fromhex(verification_id[2:])
        return self._key(self._masked(raw[:_NAME_BYTES], raw[_NAME_BYTES:]))

    def new_verification(self, ledger: str) -> str:
        """A new id, VE and 32 hex digits: the ledger's name masked by a nonce, and the nonce."""
        nonce = self._random_bytes(_NONCE_BYTES)
        name = bytes.fromhex(ledger.removeprefix(LEDGER))
        return "VE" + (self._masked(name, nonce) + nonce).hex()

    def new_word(self) -> str:
        """A new one-time word."""
        return words.word_of(self._random_bytes(words.RANDOM_BYTES))

    def notification(self, what: str = "") -> str:
        """An id of a notification, NT and 32 hex digits: a new one, or always the same one for the same words."""
        made_of = f"otp notification 1\0{what}".encode()
        return "NT" + (hmac.digest(self._index_key, made_of, "sha256")[:16] if what else self._random_bytes(16)).hex()

    def new_send(self) -> str:
        """A new id of a send, VL and 32 hex digits."""
        return "VL" + self._random_bytes(16).hex()

    def _masked(self, name: bytes, nonce: bytes) -> bytes:
        pad = hmac.digest(self._id_key, nonce, "sha256")[: len(name)]
        return (int.from_bytes(name) ^ int.from_bytes(pad)).to_bytes(len(name))

    @staticmethod
    def _key(name: bytes) -> str:
        return LEDGER + name.hex()


def parse_keys(text: str) -> CodeKeys:
    """Read `k2:<base64>,k1:<base64>`. Raises ValueError, which names the fault and never the key."""
    keys: dict[str, bytes] = {}
    for item in text.split(","):
        key_id, colon, secret = item.strip().partition(":")
        if not colon or not re.fullmatch(r"[A-Za-z0-9_-]{1,16}", key_id):
            raise ValueError("each key is written ID:BASE64, the id in 1 to 16 letters or digits")
        if key_id in keys:
            raise ValueError("a key id appears twice")
        keys[key_id] = parse_secret(secret)
    return CodeKeys(next(iter(keys)), keys)


def parse_secret(text: str) -> bytes:
    """Read one base64 secret of at least 32 bytes. Raises ValueError that never repeats it."""
    try:
        secret = base64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError("a key is not base64") from None
    if len(secret) < 32:
        raise ValueError("a key is shorter than 32 bytes")
    return secret
