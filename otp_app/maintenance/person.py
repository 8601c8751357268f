"""All that a store has of one number: for whoever asks what is stored of them, or asks to be forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from otp_app.core.codes import LEDGER
from otp_app.core.errors import StoreUnavailable
from otp_app.core.ledger_json import readable
from otp_app.core.moving import Movable
from otp_app.core.notification import NOTIFICATION
from otp_app.core.outbox import OUTBOX
from otp_app.core.policy import DAY
from otp_app.maintenance.records import WholeStore

PASSES = 5  # scans: one that sees nothing comes last
KINDS = {LEDGER: "number", NOTIFICATION: "notification", OUTBOX: "events"}


class Entry(NamedTuple):
    """One entry of a store."""

    key: str
    value: bytes

    @property
    def kind(self) -> str:
        """What it is of."""
        return KINDS.get(self.key[:2], "other")

    def shown(self) -> dict[str, Any]:
        """Return it as it is stored, as JSON; as text where it is damaged."""
        try:
            record = json.loads(self.value)
        except ValueError:
            record = self.value.decode(errors="replace")
        return {"kind": self.kind, "key": self.key, "record": record}


def entries(store: Movable, phone: str) -> list[Entry]:
    """Return the entries that name a number (E.164), or tell of its verifications. Raises StoreUnavailable.

    Records are JSON, so the number is found whatever kind they are of.
    """
    named = json.dumps(phone).encode()
    found = {key: Entry(key, value) for key, value, _ in store.scan() if isinstance(value, bytes) and named in value}
    ids = {OUTBOX + id_ for entry in found.values() if entry.kind == "number" for id_ in _verifications(entry.value)}
    told = ((key, value) for key, value, _ in store.scan() if key in ids) if ids else ()
    return [*found.values(), *(Entry(k, v) for k, v in told if k not in found and isinstance(v, bytes))]


def is_refused(found: list[Entry]) -> bool:
    """Return whether the number wants no notifications or is blocked, which is forgotten with the rest."""
    return any(_is_refused(entry.value) for entry in found if entry.kind == "number")


def unreadable(found: list[Entry]) -> int:
    """Return how many records of the number cannot be read: the events of their verifications are not found."""
    return sum(entry.kind == "number" and readable(entry.value) is None for entry in found)


def erase(store: WholeStore, phone: str) -> int:
    """Delete the entries of a number and return how many there were. Raises StoreUnavailable.

    What changes meanwhile is deleted too: a number that a server uses all the while cannot be erased.
    """
    erased = 0
    for _ in range(PASSES):
        found = entries(store, phone)
        if not found:
            return erased
        erased += sum(store.swap(entry.key, entry.value, None, DAY).won for entry in found)
    raise StoreUnavailable("The number is in use just now: run the command again")


def _verifications(value: bytes) -> Iterator[str]:
    if ledger := readable(value):
        yield from (verification.id for verification in (*ledger.verifications, *ledger.gone))


def _is_refused(value: bytes) -> bool:
    if ledger := readable(value):
        return bool(ledger.stopped or ledger.blocked)
    return any(f'"{name}"'.encode() in value for name in ("stopped", "blocked"))  # a field that is not set is left out
