"""The one compare-and-swap loop: read -> step -> swap, and again from the newer value when the swap lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from otp_app.core.errors import Busy, OtpError
from otp_app.core.store import Store

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


class Repair(NamedTuple):
    """A step that has to store a value before it can do its work on it."""

    value: bytes
    ttl: float  # seconds


Step = Callable[[bytes | None], Keep[Answer] | Write[Answer] | Repair]


def change(
    store: Store,
    key: str,
    step: Step[Answer],
    guess: bytes | None,
    *,
    proven: bool,
    busy: str,
    on_swap: Callable[[str, bytes | None], None] | None = None,
) -> Answer:
    """Apply a step to the value under a key, in one atomic step, and return its answer.

    `guess` is that value, read just now (`proven`) or earlier. The swap proves an earlier one, so one that is out of
    date costs a second turn and nothing else. A step that changes nothing, or raises, has no swap to prove it: it is
    answered from a read. `on_swap` is called with what each swap found. Raises what the step raises (nothing changed
    then), Busy with the message `busy` after too many lost swaps, StoreUnavailable.
    """
    for _ in range(1 + MOST_LOSSES):  # the first value may be no more than a guess
        try:
            made = step(guess)
        except OtpError:
            if proven:
                raise
            made = None
        if made is None or (isinstance(made, Keep) and not proven):
            guess, proven = store.get(key), True
            continue
        if isinstance(made, Keep):
            kept: Answer = made.answer
            return kept
        swap = store.swap(key, guess, made.value, made.ttl)
        if on_swap:
            on_swap(key, swap.found)
        if swap.won and isinstance(made, Write):
            written: Answer = made.answer
            return written
        guess, proven = swap.found, True
    raise Busy(busy, retry_after=1.0)
