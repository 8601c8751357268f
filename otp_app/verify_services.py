"""Verify services, in Twilio's sense: who asks names one, and it says for which purpose and with how long a code.

Those of the settings are fixed; those that were made over the API rest together in one entry of the store.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from otp_app.core.codes import SID_DIGITS, RandomBytes
from otp_app.core.errors import Busy, InvalidInput, OtpError, StoreUnavailable
from otp_app.core.interfaces import Clock, Store
from otp_app.core.policy import DAY
from otp_app.core.wish import DEFAULT_PURPOSE

SID = re.compile(f"VA{SID_DIGITS}")
NAME, MOST_NAME_DIGITS = re.compile(r"[\w -]{1,30}"), 4
ENTRY = "v:services"  # the store's key
FORMAT = 1  # of the entry: a newer one is written one release after it can be read
MAX_BYTES = 8192  # of the entry, as the stores allow: room for 40 services
LIFETIME = 36_500 * DAY  # from the last change: for ever, as far as stores go
MOST_LOSSES = 16

_COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)

Made = dict[str, dict[str, Any]]  # what rests: a service's fields by its SID, the oldest first
Answer = TypeVar("Answer")


class ServiceNotFound(OtpError):
    """No Verify service has this SID."""

    code = "service_not_found"


class ServiceFixed(OtpError):
    """A Verify service that was not made over the API cannot be changed over it."""

    code = "service_fixed"


class TooManyServices(OtpError):
    """The entry has no room for another Verify service."""

    code = "too_many_services"


@dataclass(frozen=True, slots=True)
class VerifyService:
    """One service."""

    sid: str  # VA and 32 hex digits
    purpose: str  # of its verifications
    name: str
    code_length: int = 6
    custom_code: bool = False  # callers may choose the code
    do_not_share: bool = False  # messages say that the code is for nobody else
    created: int | None = None  # wall clock, seconds; None: it was not made over the API
    updated: int | None = None

    @property
    def configured(self) -> bool:
        """Whether it was not made over the API: the settings have it, or it answers only while there is none."""
        return self.created is None


class VerifyServices:
    """All Verify services. While none is configured and none was ever made, every SID is one, for logging in."""

    def __init__(self, store: Store, clock: Clock, random_bytes: RandomBytes, configured: Mapping[str, str]) -> None:
        """`configured`: the name of each service by its SID; the name is the purpose."""
        self._store, self._clock, self._random_bytes = store, clock, random_bytes
        self._configured = {sid: VerifyService(sid, name, name) for sid, name in configured.items()}

    def find(self, sid: str) -> VerifyService | None:
        """Return the service with this SID. Raises StoreUnavailable."""
        if sid in self._configured or not SID.fullmatch(sid):
            return self._configured.get(sid)
        stored = self._store.get(ENTRY)
        if stored is None:
            return None if self._configured else VerifyService(sid, DEFAULT_PURPOSE, DEFAULT_PURPOSE)
        with _readable():
            plain = json.loads(stored)["services"].get(sid)
            return _service(sid, plain) if plain is not None else None

    def known(self) -> list[VerifyService]:
        """Return the configured ones, then those that were made, the oldest first. Raises StoreUnavailable."""
        made: Made = _read(self._store.get(ENTRY))["services"]
        return [*self._configured.values(), *(_service(sid, plain) for sid, plain in made.items())]

    def create(self, **choices: Any) -> VerifyService:
        """Make a service of these fields, with a purpose of its own, so that no other service takes its codes.

        Raises InvalidInput, TooManyServices, Busy, StoreUnavailable.
        """
        hex_digits, now = self._random_bytes(16).hex(), int(self._clock().wall)
        service = VerifyService(f"VA{hex_digits}", hex_digits, **choices, created=now, updated=now)

        def add(made: Made) -> VerifyService:
            made[service.sid] = _chosen(service)
            return service

        return self._change(add)

    def update(self, sid: str, **choices: Any) -> VerifyService:
        """Change these fields of a service. Raises ServiceNotFound, ServiceFixed, and what create raises."""
        self._refuse_configured(sid)
        now = int(self._clock().wall)

        def change(made: Made) -> VerifyService:
            service = replace(_service(sid, _held(made, sid)), **choices, updated=now)
            made[sid] |= _chosen(service)
            return service

        return self._change(change)

    def delete(self, sid: str) -> None:
        """Let there be no such service any more. Raises ServiceNotFound, ServiceFixed, Busy, StoreUnavailable."""
        self._refuse_configured(sid)

        def forget(made: Made) -> None:
            _held(made, sid)
            del made[sid]

        self._change(forget)

    def _refuse_configured(self, sid: str) -> None:
        service = self.find(sid)
        if service and service.configured:
            raise ServiceFixed("This service was not made over the API, so it cannot be changed over it")

    def _change(self, transition: Callable[[Made], Answer]) -> Answer:
        """Let a transition change what rests, in one atomic step, and return its answer."""
        stored = self._store.get(ENTRY)
        for _ in range(1 + MOST_LOSSES):
            record = _read(stored)
            answer = transition(record["services"])
            data = _COMPACT.encode(record).encode()
            if len(data) > MAX_BYTES:
                raise TooManyServices("There is no room for another Verify service")
            swap = self._store.swap(ENTRY, stored, data, LIFETIME)
            if swap.won:
                return answer
            stored = swap.found
        raise Busy("Too many changes of Verify services at once", retry_after=1.0)


def _read(stored: bytes | None) -> dict[str, Any]:
    """Read an entry, of a newer version too: what is not known here stays in it."""
    if stored is None:
        return {"format": FORMAT, "services": {}}
    with _readable():
        record: dict[str, Any] = json.loads(stored)
        for sid, plain in record["services"].items():
            _service(sid, plain)
    return record


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise StoreUnavailable("A record in the store cannot be read") from error


def _held(made: Made, sid: str) -> dict[str, Any]:
    if sid not in made:
        raise ServiceNotFound("No such service")
    return made[sid]


def _service(sid: str, plain: Mapping[str, Any]) -> VerifyService:
    known = {name: plain[name] for name in _STORED if name in plain}
    return VerifyService(sid, sid.removeprefix("VA"), **known)


def _chosen(service: VerifyService) -> dict[str, Any]:
    """What rests of a service. Raises InvalidInput where it has what nobody can choose.

    Its name stands in messages, so it can be no link and no number to call.
    """
    if not NAME.fullmatch(service.name) or sum(map(str.isdigit, service.name)) > MOST_NAME_DIGITS:
        raise InvalidInput("FriendlyName must be 1 to 30 letters, digits (four at most), blanks, - or _")
    if not 4 <= service.code_length <= 10:
        raise InvalidInput("CodeLength must be 4 to 10")
    fields = asdict(service)
    return {name: fields[name] for name in _STORED}


_STORED = ("name", "code_length", "custom_code", "do_not_share", "created", "updated")
