"""Idempotency keys: a caller that got no answer asks again and gets the first one, and no second message.

After draft-ietf-httpapi-idempotency-key-header-07: the same key for another request is an error, and so is the same
request while the first is running. A key remembers what may have been sent; a refusal by the provider frees it.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from msgspec import Struct
from msgspec.json import encode
from msgspec.structs import replace

from otp_app.core.delivery import Outcome
from otp_app.core.errors import IdempotencyInProgress, IdempotencyMismatch, OtpError, StoreUnavailable
from otp_app.core.instant import Clock
from otp_app.core.policy import DAY
from otp_app.core.results import SendResult
from otp_app.core.store import Store

LEASE = 15.0  # seconds without an answer after which a call counts as ended, and is answered for
MEMORY = DAY
MOST_UNFREED = 1000  # keys; only sends that run as the store begins to fail leave one
FORMAT = 1  # of stored entries: a newer one is written one release after it can be read


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key as one caller gave it for one request."""

    scope: str  # of the caller: the same key of another caller is another key
    text: str
    request: str  # path and fields, in full

    @property
    def entry(self) -> str:
        """The store's key."""
        return "i:" + hashlib.sha256(f"{self.scope}\0{self.text}".encode()).hexdigest()

    @property
    def fingerprint(self) -> str:
        """Distinguishes one request from another without keeping it."""
        return hashlib.sha256(self.request.encode()).hexdigest()


class Entry(Struct, frozen=True):
    """What is stored under a key."""

    request: str  # fingerprint
    at: float  # wall clock of the call that took the key
    answer: SendResult | None = None
    done: bool = False  # the answer is the final one
    format: int = FORMAT


class IdempotentSends:
    """Sends at most one message per idempotency key."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._unfreed: deque[_Turn] = deque(maxlen=MOST_UNFREED)

    def once(self, key: Key, send: Callable[[Callable[[SendResult], None]], SendResult]) -> SendResult:
        """Return the result of `send`, which is called with a `before_delivery` hook: of all calls of a key one sends.

        A call that ended with its process is answered from the result that it noted before its message left: outcome
        unknown.
        Raises IdempotencyMismatch, IdempotencyInProgress, and what `send` raises.
        """
        self.free_left()
        held = self._claim(key)
        if isinstance(held, SendResult):
            return held
        turn = _Turn(self._store, key, held)
        try:
            answer = _stored(send(turn.note))
        except OtpError:  # each means that nothing was sent
            self._free(turn)
            raise
        turn.finish(answer)
        return answer

    def hold(self, key: Key) -> bytes | None:
        """Bind a key to its request, for work that finds by itself what it has done already; return what `release`
        takes, None where an earlier call has bound it. Raises IdempotencyMismatch, StoreUnavailable.
        """  # fmt: skip
        mine = _written(Entry(key.fingerprint, self._clock().wall))
        swap = self._store.swap(key.entry, None, mine, MEMORY)
        if not swap.won and _read(swap.found).request != key.fingerprint:
            raise IdempotencyMismatch("This Idempotency-Key was used for another request")
        return mine if swap.won else None

    def release(self, key: Key, held: bytes) -> None:
        """Let a key be used for another request: nothing was done. Raises StoreUnavailable."""
        self._store.swap(key.entry, held, None, MEMORY)

    def free_left(self) -> None:
        """Free the keys of this process that the store could not free before, as far as it can now."""
        with suppress(IndexError):
            while self._free(self._unfreed.popleft()):
                pass

    def _free(self, turn: _Turn) -> bool:
        try:
            turn.free()
        except StoreUnavailable:  # mostly still for the reason for which the send failed
            self._unfreed.append(turn)
            return False
        return True

    def _claim(self, key: Key) -> bytes | SendResult:
        """Take the key for this call, or return the answer that it already has."""
        mine = _written(Entry(key.fingerprint, self._clock().wall))
        swap = self._store.swap(key.entry, None, mine, MEMORY)
        if swap.won:
            return mine
        there = _read(swap.found)
        if there.request != key.fingerprint:
            raise IdempotencyMismatch("This Idempotency-Key was used for another request")
        silent = abs(self._clock().wall - there.at)  # a clock that was set back must not keep the key in use
        if there.answer and (there.done or silent > LEASE):
            return there.answer
        if silent > LEASE and self._store.swap(key.entry, swap.found, mine, MEMORY).won:
            return mine  # that call ended before anything was sent
        raise IdempotencyInProgress("The first request with this Idempotency-Key is still running", retry_after=1.0)


class _Turn:
    """The one call that may send under a key. It stops when another call took the key over."""

    def __init__(self, store: Store, key: Key, held: bytes) -> None:
        self._store, self._key, self._held = store, key, held
        self._put_last = held  # there too, where the store's answer to it was lost

    def note(self, provisional: SendResult) -> None:
        """Store, before the message leaves, the result to return should its outcome stay unknown."""
        if not self._put(replace(_read(self._held), answer=_stored(provisional))):
            raise IdempotencyInProgress("Another request has taken over this Idempotency-Key", retry_after=1.0)

    def finish(self, answer: SendResult) -> None:
        """Store the result. Should the store fail now, the provisional one stays, which is true as well."""
        try:
            self._put(replace(_read(self._held), answer=answer, done=True))
        except StoreUnavailable:
            return

    def free(self) -> None:
        """Let the key be used again: nothing was sent. Raises StoreUnavailable."""
        if not self._store.swap(self._key.entry, self._held, None, MEMORY).won:
            self._store.swap(self._key.entry, self._put_last, None, MEMORY)

    def _put(self, entry: Entry) -> bool:
        self._put_last = data = _written(entry)
        won = self._store.swap(self._key.entry, self._held, data, MEMORY).won
        self._held = data if won else self._held
        return won


def _stored(result: SendResult) -> SendResult:
    """The result without what only its first caller gets."""
    return SendResult(**{name: getattr(result, name) for name in SendResult.__struct_fields__})


def _written(entry: Entry) -> bytes:
    return encode(entry)


def _read(data: bytes | None) -> Entry:
    """Read an entry, of a newer version too."""
    try:
        plain = json.loads(data or b"")
        if plain["answer"]:
            known = {name: plain["answer"][name] for name in SendResult.__struct_fields__}
            plain["answer"] = SendResult(**known | {"outcome": Outcome(known["outcome"])})
        return Entry(**{name: plain[name] for name in Entry.__struct_fields__ if name in plain})
    except (ValueError, LookupError, TypeError) as error:
        raise StoreUnavailable("A record in the store cannot be read") from error
