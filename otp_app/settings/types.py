"""How the text of a setting becomes a value.

Each function raises ValueError, which says what to write instead and never contains the text.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

import phonenumbers
from limits import parse_many
from msgspec import Meta

from otp_app.core.errors import InvalidPhone
from otp_app.core.phone import spelling
from otp_app.core.texts import APP_HASH, LANGUAGE_TAG, language_tag, template_fault
from otp_app.settings.model import number
from otp_app.settings.weak_secrets import DIGESTS_OF_NONE

_HOST = re.compile(r"\.?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*|\[[0-9a-f:.]+\]")
KEY_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")
SCOPES = ("send", "verify", "metrics", "notify", "admin")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A caller: its name, its scopes, and the SHA-256 (hex) of its secret."""

    name: str
    scopes: frozenset[str]
    digest: str


@dataclass(frozen=True, slots=True)
class FixedUntil:
    """A test number with its fixed code, valid to the end of a day (UTC)."""

    phone: str
    code: str
    until: date

    @property
    def ends(self) -> float:
        """The first moment after that day, in seconds since the epoch."""
        return datetime(self.until.year, self.until.month, self.until.day, tzinfo=UTC).timestamp() + 86_400


def shape(pattern: str, most: int = 100) -> Meta:
    """Return the bounds of a text of one form, of at most so many characters, or nothing."""
    return Meta(pattern=rf"\A({pattern})?\Z", max_length=most)


def names(text: str) -> tuple[str, ...]:
    """Read a list with commas; empty text is an empty list, and commas alone are a fault."""
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if text.strip() and not found:
        raise ValueError("write a list with commas between its items")
    return found


def seconds(text: str) -> tuple[float, ...]:
    """Read a list of times, each above 0 and at most a day; empty text is an empty list."""
    try:
        found = tuple(number(item) for item in names(text))
    except ValueError:
        found = (0.0,)
    if not all(0 < item <= 86_400 for item in found):
        raise ValueError("write numbers of seconds with commas, such as 30,60: each above 0 and at most 86400")
    return found


def channels(text: str) -> tuple[str, ...]:
    """Read the names of channels in the order to try."""
    found = names(text)
    if len(set(found)) < len(found):
        raise ValueError("a channel is named twice")
    return found


def bind_host(text: str) -> str:
    """Read an address to listen on, or a host name; `[::1]` is `::1`."""
    address = text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        if address is text and _HOST.fullmatch(text.lower()) and not text.startswith("."):
            return text
    raise ValueError("write an address such as 127.0.0.1 or ::1, or a host name, without a port")


def hosts(text: str) -> tuple[str, ...]:
    """Read host names; `.example.com` stands for all names below it."""
    found = tuple(name.lower() for name in names(text))
    if not all(_HOST.fullmatch(name) for name in found):
        raise ValueError("write host names alone, such as example.com or .example.com (all below it), without a port")
    return found


PUBLIC_URL = "write https://HOST or https://HOST/PREFIX; http:// is for this machine alone"
MAX_PORT, MOST_OF_ORIGIN = 65_535, 100
_PUBLIC_URL = re.compile(r"(https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[1-9][0-9]{0,4})?(/[A-Za-z0-9._~-]+)*/?")
_ORIGIN = re.compile(r"(https?)://([\w.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


def public_url(text: str) -> str:
    """Read the address of this server as others reach it, without a slash at its end."""
    match = _PUBLIC_URL.fullmatch(text)
    if match is None or (match[1] == "http" and match[2] not in ("localhost", "127.0.0.1", "[::1]")):
        raise ValueError(PUBLIC_URL)
    if not _can_be_called(match[2], match[3]) or {".", ".."} & set(text.split("/")):
        raise ValueError(PUBLIC_URL)
    return text.rstrip("/")


def origin(text: str) -> str:
    """Read the address of a server, without a path, or nothing."""
    match = _ORIGIN.fullmatch(text)
    if text and (match is None or len(text) > MOST_OF_ORIGIN or not _can_be_called(match[2], match[3])):
        raise ValueError("write https://HOST or https://HOST:PORT, and nothing after it")
    return text


def _can_be_called(host: str, port: str | None) -> bool:
    """Return whether there can be such a port (":443"; None: that of the scheme) and such an address in brackets."""
    if port and not 0 < int(port[1:]) <= MAX_PORT:
        return False
    try:
        return host[0] != "[" or bool(ipaddress.IPv6Address(host[1:-1]))
    except ValueError:
        return False


def template(text: str) -> str:
    """Read the template of a message."""
    if fault := template_fault(text):
        raise ValueError(f"the text {fault}")
    return text


def templates(text: str) -> dict[str, str]:
    """Read templates by language, a JSON object."""
    try:
        found = json.loads(text, object_pairs_hook=tuple)  # of a repeated tag the first text would be lost
    except (ValueError, RecursionError):
        raise ValueError('write a JSON object, such as {"es": "Tu código es: {code}"}') from None
    tags = isinstance(found, tuple) and all(LANGUAGE_TAG.fullmatch(tag) for tag, _ in found)
    if not tags or not all(isinstance(words, str) for _, words in found):
        raise ValueError("write a JSON object of language tags with their texts")
    texts = {language_tag(tag): template(value) for tag, value in found}
    if len(texts) < len(found):
        raise ValueError("write one text for each language tag; pt_BR and pt-br are the same tag")
    return texts


def app_hashes(text: str) -> frozenset[str]:
    """Read the hashes of Android apps, several with commas."""
    found = names(text)
    if not all(map(APP_HASH.fullmatch, found)):
        raise ValueError("write the 11 characters of each app: A-Z, a-z, 0-9, + and /")
    return frozenset(found)


def api_keys(text: str) -> tuple[ApiKey, ...]:
    """Read `name:scope+scope:sha256hex`, several with commas."""
    keys = tuple(api_key(item) for item in names(text))
    if len({key.name for key in keys}) < len(keys):
        raise ValueError("a name is used twice: give each key its own")
    if len({key.digest for key in keys}) < len(keys):
        raise ValueError("a secret is used twice: make a key for each caller")
    reject_known(key.digest for key in keys)
    return keys


def api_key(item: str) -> ApiKey:
    """Read `name:scope+scope:sha256hex`."""
    match = re.fullmatch(rf"({KEY_NAME.pattern}):([a-z+]+):([0-9a-f]{{64}})", item)
    scopes = frozenset(match[2].split("+")) if match else frozenset()
    if match is None or not scopes <= set(SCOPES):
        known = ", ".join(SCOPES)
        raise ValueError(f"write each key as `python -m otp_app keys new NAME` prints it, its scopes of {known}")
    return ApiKey(match[1], scopes, match[3])


def reject_known(digests: Iterable[str]) -> None:
    """Raise ValueError where a digest is that of nothing or of a placeholder."""
    if not DIGESTS_OF_NONE.isdisjoint(digests):
        raise ValueError("a secret is empty or a placeholder: make one with `python -m otp_app keys`")


def test_numbers(text: str) -> tuple[FixedUntil, ...]:
    """Read `+15005550006=123456@2026-12-31`, several with commas."""
    found = tuple(_test_number(item) for item in names(text))
    if len({test.phone for test in found}) < len(found):
        raise ValueError("write each number once; two spellings of a number are the same number")
    return found


def _test_number(item: str) -> FixedUntil:
    match = re.fullmatch(r"(\+[1-9][0-9]{6,14})=([0-9]{6,10})@([0-9]{4}-[0-9]{2}-[0-9]{2})", item)
    try:
        if match and phonenumbers.is_possible_number(phonenumbers.parse(spelling(match[1]), None)):
            return FixedUntil(spelling(match[1]), match[2], date.fromisoformat(match[3]))
    except (ValueError, InvalidPhone, phonenumbers.NumberParseException):
        pass  # said below, together with the other ways to be wrong
    raise ValueError("write each as +15005550006=123456@2026-12-31: number, code of 6 to 10 digits, last day")


def countries(text: str) -> frozenset[str]:
    """Read ISO 3166 country codes with commas; empty or `all`: every country."""
    if text.lower() in ("", "all"):
        return frozenset()
    found = frozenset(code.upper() for code in names(text))
    if unknown := sorted(found - phonenumbers.SUPPORTED_REGIONS):
        raise ValueError(f"{len(unknown)} country codes are unknown: write codes of two letters, such as US or IN")
    if neighbors := {other for code in found if (other := _counted_as(code)) != code}:
        raise ValueError(f"mobile numbers of a region count as its neighbor's: write {', '.join(sorted(neighbors))}")
    return found


def _counted_as(code: str) -> str:
    """Return the country that mobile numbers of a region count as: nine small regions share those of a neighbor."""
    number = phonenumbers.example_number_for_type(code, phonenumbers.PhoneNumberType.MOBILE)
    return (number and phonenumbers.region_code_for_number(number)) or code


ROUTE = "write IN:whatsapp,sms;US:sms: each country once, with its channels of OTP_CHANNELS in their order, each once"


def routes(text: str) -> dict[str, tuple[str, ...]]:
    """Read the channels of countries, `IN:whatsapp,sms;US:sms`."""
    found: dict[str, tuple[str, ...]] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        country, _, order = part.partition(":")
        channels = names(order)
        if not channels or len(set(channels)) < len(channels) or not re.fullmatch("[A-Za-z]{2}", country.strip()):
            raise ValueError(ROUTE)
        (code,) = countries(country.strip())
        if code in found:
            raise ValueError(ROUTE)
        found[code] = channels
    if text.strip() and not found:
        raise ValueError(ROUTE)
    return found


def fallback_after(text: str) -> float:
    """Read 0, or a time in which a message can have arrived and after which its code still lives."""
    try:
        found = number(text)
    except ValueError:
        found = -1.0
    if found and not 5 <= found <= 300:
        raise ValueError("write 0, or a number of seconds from 5 to 300")
    return found


def rate_limits(text: str) -> str:
    """Read limits in flask-limiter's notation, such as 20/hour;60/day; empty: none."""
    try:
        if text and (re.search(r"(?i)(/|per)\s*0+\s*[a-z]", text) or not parse_many(text)):  # to it a time of 0 is 1
            raise ValueError
    except ValueError:
        raise ValueError("write limits such as 20/hour;60/day, or nothing") from None
    return text


UNIX = "unix"  # stands for the peers of a Unix socket, which have no address
TrustedProxy = ipaddress.IPv4Network | ipaddress.IPv6Network | str
_LARGEST = {4: 8, 6: 7}  # 10.0.0.0/8, fc00::/7: a network that is larger is mistyped, or has strangers in it


def proxies(text: str) -> tuple[TrustedProxy, ...]:
    """Read addresses, networks and `unix`, several with commas; too many addresses, in pieces too, are a fault."""
    found = tuple(proxy(item) for item in names(text))
    networks = [item for item in found if not isinstance(item, str)]
    v4 = ipaddress.collapse_addresses(item for item in networks if isinstance(item, ipaddress.IPv4Network))
    v6 = ipaddress.collapse_addresses(item for item in networks if isinstance(item, ipaddress.IPv6Network))
    is_large = any(item.prefixlen < _LARGEST[item.version] for item in networks)
    if is_large or any(item.prefixlen == 0 for item in v4) or any(item.prefixlen == 0 for item in v6):
        raise ValueError("a network of all addresses, or of so many, lets clients write their own: name your proxies")
    return found


def proxy(text: str) -> TrustedProxy:
    """Read an address or a network, IPv4 in IPv6 as IPv4, or `unix` for the peers of a Unix socket."""
    if text == UNIX:
        return UNIX
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError("write addresses or networks, such as 127.0.0.1 or 10.0.0.0/8, or unix") from None
    mapped = getattr(found.network_address, "ipv4_mapped", None)
    if mapped and found.prefixlen >= 96:
        found = ipaddress.ip_network((mapped, found.prefixlen - 96))
    return found
