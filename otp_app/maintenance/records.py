"""The records of all numbers, walked in a store: which verifications they remember, and numbers to forget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple, Protocol

from otp_app.core.codes import LEDGER, LedgerIds
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Status, Verification
from otp_app.core.ledger_json import readable
from otp_app.core.moving import Item, Movable, Searchable
from otp_app.core.phone import mask
from otp_app.core.policy import DAY
from otp_app.core.store import Store

#: a start does not read a whole store: so many records show which key it was used with, among so many entries
ENOUGH, MOST_LOOKED_AT = 100, 20_000


class WholeStore(Store, Movable, Protocol):
    """A store that can be read as a whole, and used."""


class Record(NamedTuple):
    """What is stored of one number."""

    key: str
    value: bytes
    ledger: Ledger | None  # None: it cannot be read


class Listed(NamedTuple):
    """What may be shown of a verification: neither its code nor its whole number."""

    verification_id: str
    to: str  # masked
    purpose: str
    status: Status  # now
    begun: float  # wall clock, seconds
    channels: tuple[str, ...]  # of its sends, oldest first
    attempts: int  # wrong ones, each compared


class Listing(NamedTuple):
    """The verifications of a store, the pending ones first, each kind newest first."""

    verifications: list[Listed]
    unreadable: int  # records that cannot be read


class Owners(NamedTuple):
    """How many records were named with an index key, and how many with others."""

    own: int
    others: int


class Purge(NamedTuple):
    """How many numbers were quiet, and how many of them are forgotten."""

    quiet: int
    forgotten: int


def listing(store: Movable, now: Instant, number: str | None = None) -> Listing:
    """Return what a scan of the store sees, or only what is of a number; what changes meanwhile may be missing.

    Raises StoreUnavailable.
    """
    found: dict[str, Listed] = {}  # by id, as a scan may bring a record twice
    unreadable: set[str] = set()
    for key, _, ledger in _records(_entries(store)):
        if ledger is None:
            unreadable.add(key)
        elif number is None or ledger.phone == number:
            found |= {v.id: _listed(ledger, v, now) for v in ledger.verifications}
    order = sorted(found.values(), key=lambda listed: (listed.status != Status.PENDING, -listed.begun))
    return Listing(order, len(unreadable))


def find(store: Movable, is_wanted: Callable[[Ledger, Verification], bool]) -> list[tuple[Ledger, Verification]]:
    """Return the verifications that are wanted, each with its ledger, the newest first. Raises StoreUnavailable."""
    ledgers = (ledger for _, _, ledger in _records(_entries(store)) if ledger)
    found = {v.id: (ledger, v) for ledger in ledgers for v in ledger.verifications if is_wanted(ledger, v)}
    return sorted(found.values(), key=lambda pair: -pair[1].begun.wall)


def of_number(store: Movable, number: str) -> list[Ledger]:
    """Return the ledgers of a number (E.164), its own one first: others are of words that it wrote to us.

    Raises StoreUnavailable.
    """
    found = [ledger for _, _, ledger in _records(_entries(store)) if ledger and ledger.phone == number]
    return sorted(found, key=lambda ledger: any(verification.inbound for verification in ledger.verifications))


def last_event(ledger: Ledger) -> float:
    """Return when something last happened to a number (wall clock, seconds), the end of a code's life included.

    Of wrong attempts only the day is known: they count as made when it ended. So this may be up to a day late and
    is never early.
    """
    stamps = [ledger.last_send, ledger.exhausted_at, *ledger.sent, *ledger.notified]
    stamps += [at for _, at, _ in ledger.refusals]
    stamps += [(day + 1) * DAY for day in (*(day for day, _ in ledger.risk), *ledger.given_back)]
    for verification in ledger.verifications:
        stamps += [verification.begun.wall + verification.life, verification.ended_at or 0.0]
        stamps += [send.at for send in verification.sends]
    return max(stamps)


def owners(store: Movable, ids: LedgerIds) -> Owners:
    """Return whose the first records of a store are. Raises StoreUnavailable.

    Nothing finds a record that was named with another index key: its number has its limits and attempts anew.
    """
    found = _records(islice(_entries(store), MOST_LOOKED_AT))
    own = [_is_own(ids, key, ledger) for key, _, ledger in islice(found, ENOUGH) if ledger]
    return Owners(sum(own), len(own) - sum(own))


def _is_own(ids: LedgerIds, key: str, ledger: Ledger) -> bool:
    """Return whether a record was named with our index key: by its number or, where a word names it, as its ids do."""
    by_word = (v.id for v in ledger.verifications if v.inbound)
    return ids.ledger(ledger.phone) == key or any(ids.ledger_of(id_) == key for id_ in by_word)


def purge(store: WholeStore, since: float, *, dry_run: bool) -> Purge:
    """Forget each number to which nothing happened after `since` (wall clock, seconds), or only count them.

    A number that wants no more notifications, or is blocked, is kept: forgotten, it would get messages again. One that
    becomes busy meanwhile is kept too, by compare-and-swap; so is what cannot be read. Raises StoreUnavailable.
    """
    quiet: set[str] = set()
    forgotten = 0
    for key, value, ledger in _records(_entries(store)):
        if ledger is not None and not (ledger.stopped or ledger.blocked) and last_event(ledger) <= since:
            quiet.add(key)
            if not dry_run and store.swap(key, value, None, DAY).won:
                forgotten += 1
    return Purge(len(quiet), forgotten)


def _entries(store: Movable) -> Iterator[Item]:
    """Return the entries among which the records are: where the store can find them, no others."""
    return store.entries(LEDGER) if isinstance(store, Searchable) else store.scan()


def _records(items: Iterable[Item]) -> Iterator[Record]:
    for key, value, _ in items:
        if key.startswith(LEDGER) and isinstance(value, bytes):
            yield Record(key, value, readable(value))


def _listed(ledger: Ledger, verification: Verification, now: Instant) -> Listed:
    return Listed(
        verification.id,
        mask(ledger.phone),
        verification.purpose,
        verification.status_at(now),
        verification.begun.wall,
        tuple(send.channel for send in verification.sends),
        verification.attempts,
    )
