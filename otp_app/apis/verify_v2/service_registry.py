"""Verify services, in Twilio's sense: a caller names one, and it says for which purpose and with how long a code.

Those of the settings are for every account. Those that an account made over the API are its own: they are stored in an
entry of that account, where no other one looks.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from otp_app.core.codes import SID_DIGITS, RandomBytes
from otp_app.core.errors import InvalidInput, OtpError, StoreUnavailable
from otp_app.core.instant import Clock
from otp_app.core.policy import DAY
from otp_app.core.results import DEFAULT_PURPOSE
from otp_app.core.store import Store
from otp_app.core.swapping import Answer, Keep, Write, change

SID = re.compile(f"VA{SID_DIGITS}")
NAME, MOST_NAME_DIGITS = re.compile(r"[\w -]{1,30}"), 4
ENTRY = "v:services"  # the store's key while no account is configured; each account has a key of its own below it
FORMAT = 1  # of the entry: a newer one is written one release after it can be read
MAX_BYTES = 8192  # of the entry, as the stores allow: room for 40 services
MOST_IN_USE = 8  # services that were neither configured nor made and are remembered because they sent
LIFETIME = 36_500 * DAY  # from the last change: for ever, as far as stores go

_COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)

Record = dict[str, Any]  # an entry: "services" made (absent: there never was one), and what is known of "others"


class ServiceNotFound(OtpError):
    """The account has no Verify service with this SID."""

    code = "service_not_found"


class ServiceFixed(OtpError):
    """A Verify service that was not made over the API: only CustomCodeEnabled can be changed over it."""

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
    do_not_share: bool = False  # messages warn not to share the code
    created: int | None = None  # wall clock, seconds; None: it was not made over the API
    updated: int | None = None
    unnoted: bool = field(default=False, compare=False)  # it answers only because no service was made yet

    @property
    def configured(self) -> bool:
        """Whether it was not made over the API: the settings have it, or it answers because they have none."""
        return self.created is None


class VerifyServices:
    """The Verify services of all accounts."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        random_bytes: RandomBytes,
        configured: Collection[VerifyService] = (),
        accounts: Collection[str] = (),
    ) -> None:
        self._store, self._clock, self._random_bytes = store, clock, random_bytes
        self._configured, self._accounts = {service.sid: service for service in configured}, frozenset(accounts)

    def of(self, account: str) -> AccountServices:
        """Return the services of an account, `AC…`.

        Where no account is configured, credentials do not say who calls: all callers are one, with one list.
        """
        entry = f"{ENTRY}:{account}" if self._accounts else ENTRY
        apart = account if len(self._accounts) > 1 else ""
        return AccountServices(self._store, self._clock, self._random_bytes, self._configured, entry, apart)


class AccountServices:
    """What one account has: the configured services, those that it made, and, while it has made none, any SID.

    A SID that a server made is known as such by its digits, so it is never taken for "any": a service that another
    account made, or that was deleted, is not found.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        random_bytes: RandomBytes,
        configured: Mapping[str, VerifyService],
        entry: str,
        apart: str,
    ) -> None:
        """`apart`: the account, where there are several, so that "any SID" of one is not that of another."""
        self._store, self._clock, self._random_bytes = store, clock, random_bytes
        self._configured, self._entry, self._apart = configured, entry, apart

    def find(self, sid: str) -> VerifyService | None:
        """Return the service with this SID, as far as sends and checks need it. Raises StoreUnavailable.

        Whether a configured one takes codes of the caller's choice may have been changed: see `whole`.
        """
        if sid in self._configured or not SID.fullmatch(sid):
            return self._configured.get(sid)
        with _readable():
            return self._stored(sid, _parsed(self._store.get(self._entry)))

    def whole(self, sid: str) -> VerifyService | None:
        """Return it with what was changed over the API. Raises StoreUnavailable."""
        if configured := self._configured.get(sid):
            return self._changed(configured, _read(self._store.get(self._entry)))
        return self.find(sid)

    def known(self) -> list[VerifyService]:
        """Return the configured ones, those in use, then those that were made, the oldest first.

        Raises StoreUnavailable.
        """
        record = _read(self._store.get(self._entry))
        configured = [self._changed(service, record) for service in self._configured.values()]
        stored = [self._stored(sid, record) for sid in (*record["others"], *record.get("services", ()))]
        return configured + [service for service in stored if service and service.sid not in self._configured]

    def create(self, **choices: Any) -> VerifyService:
        """Make a service of these fields, with a purpose of its own, so that no other service takes its codes.

        Raises InvalidInput, TooManyServices, Busy, StoreUnavailable.
        """
        sid, now = _made_sid(self._random_bytes(8).hex()), int(self._clock().wall)
        service = VerifyService(sid, sid.removeprefix("VA"), **choices, created=now, updated=now)

        def add(record: Record) -> VerifyService:
            record.setdefault("services", {})[sid] = _chosen(service)
            return service

        return self._change(add)

    def update(self, sid: str, **choices: Any) -> VerifyService:
        """Change these fields of a service. Raises ServiceNotFound, ServiceFixed, and what create raises.

        Of a service that was not made over the API `custom_code` can be changed, for this account.
        """
        now = int(self._clock().wall)

        def set_fields(record: Record) -> VerifyService:
            service = self._held(sid, record)
            if not service.configured:
                service = replace(service, **choices, updated=now)
                record["services"][sid] |= _chosen(service)
                return service
            if any(getattr(service, name) != value for name, value in choices.items() if name != "custom_code"):
                raise ServiceFixed("Only CustomCodeEnabled of a service that was not made over the API can be changed")
            if "custom_code" in choices:
                record["others"].setdefault(sid, {})["custom_code"] = choices["custom_code"]
            return replace(service, **choices)

        return self._change(set_fields)

    def delete(self, sid: str) -> None:
        """Let there be no such service any more. Raises ServiceNotFound, ServiceFixed, Busy, StoreUnavailable."""

        def forget(record: Record) -> None:
            if self._held(sid, record).configured:
                raise ServiceFixed("This service was not made over the API, so it cannot be deleted over it")
            del record["services"][sid]

        self._change(forget)

    def note_use(self, service: VerifyService) -> None:
        """Keep a service that is `unnoted` working when others are made. Raises Busy, StoreUnavailable."""

        def note(record: Record) -> None:
            others = record["others"]
            others.setdefault(service.sid, {})
            if len(plain := [sid for sid, changes in others.items() if not changes]) > MOST_IN_USE:
                del others[plain[0]]

        with suppress(TooManyServices):  # it answers all the same, as long as no service is made
            self._change(note)

    def _stored(self, sid: str, record: Record) -> VerifyService | None:
        """Return a service that is not configured."""
        made = record.get("services")
        if made is not None and sid in made:
            return _service(sid, made[sid])
        unknown = made is not None and sid not in record["others"]
        if self._configured or unknown or sid == _made_sid(sid[2:18]) or not SID.fullmatch(sid):
            return None
        purpose = hashlib.sha256(f"{self._apart} {sid}".encode()).hexdigest()[:32] if self._apart else DEFAULT_PURPOSE
        service = VerifyService(sid, purpose, DEFAULT_PURPOSE, unnoted=sid not in record["others"])
        return self._changed(service, record)

    def _changed(self, service: VerifyService, record: Record) -> VerifyService:
        allowed = record["others"].get(service.sid, {}).get("custom_code", service.custom_code)
        return service if allowed is service.custom_code else replace(service, custom_code=allowed is True)

    def _held(self, sid: str, record: Record) -> VerifyService:
        configured = self._configured.get(sid)
        service = self._changed(configured, record) if configured else self._stored(sid, record)
        if service is None:
            raise ServiceNotFound("No such service")
        return service

    def _change(self, transition: Callable[[Record], Answer]) -> Answer:
        """Let a transition change what is stored, in one atomic step, and return its answer."""

        def step(stored: bytes | None) -> Keep[Answer] | Write[Answer]:
            record = _read(stored)
            before, answer = _COMPACT.encode(record), transition(record)
            after = _COMPACT.encode(record)
            if after == before:
                return Keep(answer)
            if len(data := after.encode()) > MAX_BYTES:
                raise TooManyServices("There is no room for another Verify service")
            return Write(data, LIFETIME, answer)

        busy = "Too many changes of Verify services at once"
        return change(self._store, self._entry, step, self._store.get(self._entry), proven=True, busy=busy)


def _made_sid(half: str) -> str:
    """Return the SID of a made service whose first 16 hex digits these are: the others follow from them."""
    return f"VA{half}{hashlib.sha256(f'a Verify service {half}'.encode()).hexdigest()[:16]}"


def _parsed(stored: bytes | None) -> Record:
    """Read an entry, of a newer version too: what is not known here stays in it."""
    record: Record = json.loads(stored) if stored is not None else {"format": FORMAT}
    if "format" not in record:
        raise ValueError("not an entry")
    record.setdefault("others", {})
    return record


def _read(stored: bytes | None) -> Record:
    """Read an entry and every service in it. Raises StoreUnavailable."""
    with _readable():
        record = _parsed(stored)
        for sid, plain in record.get("services", {}).items():
            _service(sid, plain)
        for changes in record["others"].values():
            changes.get("custom_code")
    return record


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise StoreUnavailable("A record in the store cannot be read") from error


def _service(sid: str, plain: Mapping[str, Any]) -> VerifyService:
    known = {name: plain[name] for name in _STORED if name in plain}
    return VerifyService(sid, sid.removeprefix("VA"), **known)


def _chosen(service: VerifyService) -> dict[str, Any]:
    """What is stored of a service. Raises InvalidInput where it has what nobody can choose.

    Its name stands in messages, so it can be no link and no number to call.
    """
    if not NAME.fullmatch(service.name) or sum(map(str.isdigit, service.name)) > MOST_NAME_DIGITS:
        raise InvalidInput("FriendlyName must be 1 to 30 letters, digits (four at most), blanks, - or _")
    if not 4 <= service.code_length <= 10:
        raise InvalidInput("CodeLength must be 4 to 10")
    fields = asdict(service)
    return {name: fields[name] for name in _STORED}


_STORED = ("name", "code_length", "custom_code", "do_not_share", "created", "updated")
