"""The one compare-and-swap loop: read, step, swap, and again from the newer value when the swap lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from otp_app.core.errors import Busy, OtpError, StoreUnavailable
from otp_app.core.jobs import NewJob
from otp_app.core.store import Store, Swap, SwapsWithJobs

MOST_LOSSES = 16

Answer = TypeVar("Answer")


class Keep(NamedTuple, Generic[Answer]):
    """A step that changes nothing."""

    answer: Answer


class Write(NamedTuple, Generic[Answer]):
    """A step that stores a value."""

    value: bytes
    ttl: float  # seconds
    answer: Answer  # once it is stored
    jobs: Sequence[NewJob] = ()  # to be put in the same step: for a store that can
    # Called once it is stored, or else where the store failed and may have it. They return at once and raise nothing.
    won: Callable[[], None] | None = None
    doubted: Callable[[], None] | None = None


class Repair(NamedTuple):
    """A step that has to store a value before it can do its work on it."""

    value: bytes
    ttl: float  # seconds


Step = Callable[[bytes | None], Keep[Answer] | Write[Answer] | Repair]


def change(
    store: Store,
    key: str,
    step: Step[Answer],
    expected: bytes | None,
    *,
    proven: bool,
    busy: str,
    on_swap: Callable[[str, bytes | None], None] | None = None,
) -> Answer:
    """Apply a step to the value under a key, in one atomic step, and return its answer.

    `expected` is that value, read just now (`proven`) or earlier. The swap proves an earlier one, so one that is out of
    date costs a second turn and nothing else. A step that changes nothing, or raises, has no swap to prove it: a read
    does, and where that finds another value the step is made again. `on_swap` is called with what each swap found.
    Raises what the step raises (nothing changed then), Busy with the message `busy` after too many lost swaps,
    StoreUnavailable.
    """
    for _ in range(1 + MOST_LOSSES):  # the first value may be out of date
        try:
            made = step(expected)
        except OtpError:
            if proven or (found := store.get(key)) == expected:
                raise
            expected, proven = found, True
            continue
        if isinstance(made, Keep):
            if proven or (found := store.get(key)) == expected:
                kept: Answer = made.answer
                return kept
            expected, proven = found, True
            continue
        swap = _swap(store, key, expected, made)
        if on_swap:
            on_swap(key, swap.found)
        if swap.won and isinstance(made, Write):
            written: Answer = made.answer
            return written
        expected, proven = swap.found, True
    raise Busy(busy, retry_after=1.0)


def _swap(store: Store, key: str, expected: bytes | None, made: Write[Answer] | Repair) -> Swap:
    if not isinstance(made, Write):
        return store.swap(key, expected, made.value, made.ttl)
    try:
        if made.jobs and isinstance(store, SwapsWithJobs):
            swap = store.swap_with_jobs(key, expected, made.value, made.ttl, made.jobs)
        else:
            swap = store.swap(key, expected, made.value, made.ttl)
    except StoreUnavailable:
        if made.doubted:
            made.doubted()
        raise
    if swap.won and made.won:
        made.won()
    return swap
