"""The one compare-and-swap loop (read, step, swap, and again from the newer value when the swap lost), and the ledgers.

A transition is applied to the ledger of a number in one atomic step.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

from msgspec.structs import replace

from otp_app.core.errors import Busy, OtpError, StoreUnavailable
from otp_app.core.instant import Clock, Instant
from otp_app.core.jobs import NewJob
from otp_app.core.journal import Journal, Recorder, Transition, Watch
from otp_app.core.ledger import Ledger
from otp_app.core.ledger_json import decode, encode
from otp_app.core.policy import DAY, Policy
from otp_app.core.store import BeginsSwaps, Store, Swap, SwapsLater, SwapsWithJobs
from otp_app.core.upkeep import corrected, lifetime

MOST_LOSSES = 16
STRIPES = 1024  # locks at most
LOCK_TIMEOUT = 2.5  # seconds: when the store hangs, the requests for one number must not hold all threads
MOST_RECENT = 10_240  # ledgers of a KiB mostly: more than one busy server has live at a time, in 10 MiB
RECORDED = DAY  # seconds for which a history finds a change, should the server that made it be killed
BUSY = "Too many requests for this number at once"

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


class Ledgers:
    """All ledgers, by the store's key of their number."""

    def __init__(
        self, store: Store, clock: Clock, policy: Policy, journal: Journal | None = None,
        recorder: Recorder[Ledger] | None = None,
    ) -> None:
        """`journal`: where somebody is told of events; `recorder`: where a history is kept."""
        self.recorder = recorder
        self._store, self._clock, self._policy, self._journal = store, clock, policy, journal
        self._later = store if isinstance(store, SwapsLater) else None
        self._begins = store if isinstance(store, BeginsSwaps) else None
        self._puts_jobs = isinstance(store, SwapsWithJobs)
        self._recent: OrderedDict[str, bytes | None] = OrderedDict()  # what this process last saw there, or put
        # Requests of one process for one number queue here instead of losing swaps to each other.
        self._locks: dict[int, Lock] = {}  # by stripe, each made when it is first used

    def find(self, key: str) -> Ledger | None:
        """Return the ledger under a key. Raises StoreUnavailable."""
        found = _read(self._store.get(key))
        return corrected(found, self._clock()) if found else None

    def has_seen(self, key: str) -> bool:
        """Whether this process remembers that it changed the ledger under a key, which may have ended since."""
        return key in self._recent

    def change(self, key: str, transition: Transition[Answer]) -> Answer:
        """Apply a transition in one atomic step and return its answer.

        Raises what the transition raises (nothing changed then), Busy after too many lost swaps, StoreUnavailable.
        """
        if self._journal is None:
            return self._change_in_turn(key, transition)
        watch = self._journal.watch(transition, with_swap=self._puts_jobs)
        answer = self._change_in_turn(key, watch)
        watch.told()
        return answer

    def begin(self, key: str, transition: Transition[Answer]) -> Callable[[], Answer]:
        """Begin to apply a transition. What is returned waits until it is stored, and returns and raises what `change`
        does: where the store can, several changes that are begun together wait for its disk once.
        """  # fmt: skip
        expected = self._recent.get(key)
        if not self._begins or expected is None:
            return partial(self.change, key, transition)
        watch = self._journal.watch(transition, with_swap=self._puts_jobs) if self._journal else None
        try:
            made = self._step(key, watch or transition, expected)
        except OtpError:  # perhaps of a record that is out of date
            made = None
        if not isinstance(made, Write) or made.jobs:
            return partial(self.change, key, transition)
        wait = self._begins.begin_swap(key, expected, made.value, made.ttl)
        return partial(self._end, key, transition, made, watch, wait)

    def _end(
        self, key: str, transition: Transition[Answer], made: Write[Answer], watch: Watch[Answer] | None,
        wait: Callable[[], Swap],
    ) -> Answer:
        try:
            swap = wait()
        except StoreUnavailable:
            if made.doubted:
                made.doubted()
            raise
        self._remember(key, swap.found)
        if not swap.won:
            return self.change(key, transition)
        if made.won:
            made.won()
        if watch:
            watch.told()
        return made.answer

    def _change_in_turn(self, key: str, transition: Transition[Answer]) -> Answer:
        step: Step[Answer] = partial(self._step, key, transition)
        turn = self._take_turn(key)
        try:
            return self._change(key, step)
        finally:
            turn.release()

    def note(self, key: str, transition: Transition[None], lost: Callable[[], None]) -> None:
        """Apply a transition that may be lost with the process: where the store can, without waiting for it.

        What this process reads or changes under the key from now on comes after it. `lost` is called, perhaps later and
        in another thread, where the store could not make the change.
        """
        watch = self._journal.watch(transition, later=True) if self._journal else None
        try:
            self._note(key, partial(self._step, key, watch or transition), lost)
        except (Busy, StoreUnavailable):
            lost()
        if watch:
            watch.told()

    def _note(self, key: str, step: Step[None], lost: Callable[[], None]) -> None:
        turn = self._take_turn(key)
        try:
            expected = self._recent.get(key)
            if self._later and expected:
                self._swap_later(self._later, key, step, expected, lost)
            else:
                self._change(key, step)
        finally:
            turn.release()

    def _take_turn(self, key: str) -> Lock:
        """Return the lock of this key, for the caller to release. Raises Busy."""
        lock = self._locks.setdefault(hash(key) % STRIPES, Lock())
        if not lock.acquire(timeout=LOCK_TIMEOUT):
            raise Busy(BUSY, retry_after=1.0)
        return lock

    def _change(self, key: str, step: Step[Answer]) -> Answer:
        expected = self._recent.get(key)
        return change(self._store, key, step, expected, proven=False, busy=BUSY, on_swap=self._remember)

    def _swap_later(
        self, store: SwapsLater, key: str, step: Step[None], expected: bytes | None, lost: Callable[[], None]
    ) -> None:
        """Give the store the swap; and another one, from what is there instead, each time that it loses."""
        made = step(expected)
        if isinstance(made, Keep):
            return

        def then(swap: Swap | None) -> None:
            try:
                if swap is None:
                    if isinstance(made, Write) and made.doubted:
                        made.doubted()
                    lost()
                elif not swap.won or isinstance(made, Repair):
                    self._swap_later(store, key, step, swap.found, lost)
                elif made.won:
                    made.won()
            except StoreUnavailable:
                lost()

        self._remember(key, made.value)
        store.swap_later(key, expected, made.value, made.ttl, then)

    def _step(
        self, key: str, transition: Transition[Answer], stored: bytes | None
    ) -> Keep[Answer] | Write[Answer] | Repair:
        now, found = self._clock(), _read(stored)
        if found and (mended := corrected(found, now)) is not found:
            return Repair(*self._written(replace(mended, seen=now), now))  # the transition notes what expired
        ledger, answer = transition(found, now)
        if ledger is None:
            return Keep(answer)
        jobs = transition.jobs if isinstance(transition, Watch) else ()
        value, ttl = self._written(ledger.seen_at(now), now)
        if not self.recorder:
            return Write(value, ttl, answer, jobs)
        won = partial(self.recorder.changed, key, found, ledger)
        return Write(value, ttl, answer, jobs, won, self.recorder.doubted)

    def _written(self, ledger: Ledger, now: Instant) -> tuple[bytes, float]:
        needed = lifetime(ledger, now, self._policy)
        return encode(ledger), max(needed, RECORDED) if self.recorder else needed

    def _remember(self, key: str, value: bytes | None) -> None:
        self._recent[key] = value
        if len(self._recent) > MOST_RECENT:
            self._recent.popitem(last=False)


def _read(data: bytes | None) -> Ledger | None:
    try:
        return decode(data) if data is not None else None
    except ValueError as error:
        raise StoreUnavailable("A record in the store cannot be read") from error
