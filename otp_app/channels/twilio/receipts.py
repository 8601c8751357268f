"""Twilio's receipts (status callbacks): whether Twilio signed one, and what it says of a message."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qs, unquote_plus, urlsplit

from otp_app.channels.twilio.settings import TwilioSettings
from otp_app.core.receipts import Receipt, Status

if TYPE_CHECKING:
    from otp_app.settings import Settings

MOST_FIELDS = 100  # Twilio sends about 15
MOST_DIGITS = 9  # of an error number
NOT_SIGNED = "the signature is missing or wrong"
#: what a signature looks like, by its algorithm: 20 bytes or 32 in base64
_SHAPES = {"sha1": re.compile("[A-Za-z0-9+/]{27}="), "sha256": re.compile("[A-Za-z0-9+/]{43}=")}
_STATUSES = frozenset(Status)


class Fields(Protocol):
    """The headers of a request."""

    def get(self, name: str, default: str, /) -> str:
        """Return the value of a header, its name spelled in any case."""


class Unsigned(Exception):
    """Twilio has not signed this, as far as this account's secrets tell."""


class StatusCallbacks:
    """Reads the receipts of one account. Without its token it takes none for signed."""

    def __init__(self, token: str, shared_keys: Mapping[str, str]) -> None:
        self._token, self._shared_keys = token, shared_keys

    @classmethod
    def open(cls, settings: Settings) -> StatusCallbacks:
        """Return those of the account of the settings."""
        own = settings.of(TwilioSettings)
        return cls(own.twilio_auth_token, own.webhook_keys)

    def read(self, url: str, headers: Fields, body: bytes) -> dict[str, str]:
        """Return the fields of a request that was posted to this URL, as Twilio was given it. Raises Unsigned."""
        secret, algorithm = self._secret(headers.get("X-Twilio-Webhooks-Signature-Settings", ""))
        shown = headers.get("X-Twilio-Signature", "")
        if not secret or not _SHAPES[algorithm].fullmatch(shown):  # so nobody has a form read for nothing
            raise Unsigned(NOT_SIGNED)
        is_json = headers.get("Content-Type", "").partition(";")[0].strip().lower() == "application/json"
        pairs = [] if is_json else _pairs(body)
        form = "".join(name + value for name, value in sorted(set(pairs)))
        if not any(_equal(_signature(secret, spelling + form, algorithm), shown) for spelling in _spellings(url)):
            raise Unsigned(NOT_SIGNED)
        if not is_json:
            return dict(pairs)
        digest = parse_qs(urlsplit(url).query).get("bodySHA256", [""])[0]
        if not _equal(hashlib.sha256(body).hexdigest(), digest):
            raise Unsigned("the body is not the one that was signed")
        return _texts(body)

    def signed(self, url: str, fields: Mapping[str, str]) -> dict[str, str]:
        """Return the header by which Twilio would sign a form that it posts to this URL."""
        form = "".join(name + value for name, value in sorted(fields.items()))
        return {"X-Twilio-Signature": _signature(self._token, url + form, "sha1")}

    def _secret(self, signed_with: str) -> tuple[str, str]:
        """Return the secret, "" where it is not known, and the algorithm that a header says it was signed with."""
        said = dict(part.strip().partition("=")[::2] for part in signed_with.split(","))
        match said.get("algorithm", ""):
            case "":
                return self._token, "sha1"
            case "HMAC_SHA256":
                return self._shared_keys.get(said.get("key", ""), ""), "sha256"
        return "", "sha256"


def receipt(fields: Mapping[str, str], verification_id: str, send_id: str) -> Receipt | None:
    """Return what Twilio reports of a message; None for a status that is not known, or without an id of Twilio's."""
    status = fields.get("MessageStatus") or fields.get("SmsStatus", "")
    sid, code = fields.get("MessageSid") or fields.get("SmsSid", ""), fields.get("ErrorCode", "")
    if status not in _STATUSES or not sid:
        return None
    is_number = code.isascii() and code.isdecimal() and len(code) <= MOST_DIGITS
    return Receipt(verification_id, send_id, sid, Status(status), int(code) if is_number else 0)


def _pairs(body: bytes) -> list[tuple[str, str]]:
    """Return the fields of a form as urllib's parse_qsl does, in half of its time."""
    try:
        parts = body.decode().split("&")
        if len(parts) > MOST_FIELDS:
            raise Unsigned("the body has too many fields")
        return [(_plain(name), _plain(value)) for name, _, value in (part.partition("=") for part in parts if part)]
    except ValueError:
        raise Unsigned("the body is no form") from None


def _plain(text: str) -> str:
    return unquote_plus(text, errors="strict") if "%" in text or "+" in text else text


def _texts(body: bytes) -> dict[str, str]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    fields = said.items() if isinstance(said, dict) else ()
    return {name: str(value) for name, value in fields if isinstance(value, str | int)}


def _spellings(url: str) -> Iterator[str]:
    """Yield a URL as it is, which mostly is what was signed, and with and without its port: Twilio signs either."""
    yield url
    split = urlsplit(url)
    port = f":{split.port or (443 if split.scheme == 'https' else 80)}"
    host = split.netloc.removesuffix(port)
    yield split._replace(netloc=host).geturl()
    yield split._replace(netloc=host + port).geturl()


def _signature(secret: str, text: str, algorithm: str) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), algorithm)).decode()


def _equal(one: str, other: str) -> bool:
    """Compare in constant time; a header may have any bytes."""
    return hmac.compare_digest(one.encode(), other.encode("utf-8", "surrogateescape"))
