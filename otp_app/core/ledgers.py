"""The ledgers: a transition is applied to the ledger of a number in one atomic step."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Generic, NamedTuple

from msgspec.structs import replace

from otp_app.core.errors import Busy, OtpError, StoreUnavailable
from otp_app.core.instant import Clock, Instant
from otp_app.core.journal import Journal, Recorder, Transition, Watch
from otp_app.core.ledger import Ledger
from otp_app.core.ledger_json import decode, encode
from otp_app.core.policy import DAY, Policy
from otp_app.core.store import BeginsSwaps, Store, Swap, SwapsLater, SwapsWithJobs
from otp_app.core.swapping import Answer, Keep, Repair, Step, Write, change
from otp_app.core.upkeep import corrected, lifetime

STRIPES = 1024  # locks at most
LOCK_TIMEOUT = 2.5  # seconds: when the store hangs, the requests for one number must not hold all threads
MOST_RECENT = 10_240  # ledgers of a KiB mostly: more than one busy server has live at a time, in 10 MiB
RECORDED = DAY  # seconds for which a history finds a change, should the server that made it be killed
READ_FIRST = 100  # changes that begin with a read once one was in vain: other processes change the same records
BUSY = "Too many requests for this number at once"


class Begun(NamedTuple, Generic[Answer]):
    """A change that has begun."""

    answer: Answer  # unless somebody else changes the record meanwhile
    is_stored: Callable[[], bool]  # waits; False: somebody did, so nothing is stored. Raises StoreUnavailable


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
        self._reads_first = 0  # so many changes that begin now
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

    @property
    def can_begin(self) -> bool:
        """Whether several changes that are begun together wait for the store's disk once."""
        return self._begins is not None

    def begin(self, key: str, transition: Transition[Answer]) -> Begun[Answer] | None:
        """Begin to apply a transition. None: it is all for `change`, as where nothing is to be stored.

        Raises StoreUnavailable.
        """
        if not self._begins:
            return None
        expected = b"" if self._reads_first else self._recent.get(key, b"")
        if expected == b"":  # which is no record
            self._reads_first = max(self._reads_first - 1, 0)
            expected = self._store.get(key)
        watch = self._journal.watch(transition, with_swap=self._puts_jobs) if self._journal else None
        try:
            made = self._step(key, watch or transition, expected)
        except OtpError:  # perhaps of a record that is out of date
            return None
        if not isinstance(made, Write) or made.jobs:
            return None
        wait = self._begins.begin_swap(key, expected, made.value, made.ttl)
        return Begun(made.answer, partial(self._is_stored, key, made, watch, wait))

    def finish(self, key: str, transition: Transition[Answer], begun: Begun[Answer] | None) -> Answer:
        """Return the answer of a change once it is stored, and do all of it where it has not begun, or in vain."""
        return begun.answer if begun and begun.is_stored() else self.change(key, transition)

    def _is_stored(
        self, key: str, made: Write[Answer], watch: Watch[Answer] | None, wait: Callable[[], Swap]
    ) -> bool:
        try:
            swap = wait()
        except StoreUnavailable:
            if made.doubted:
                made.doubted()
            raise
        self._remember(key, swap.found)
        if not swap.won:
            self._reads_first = READ_FIRST
            return False
        if made.won:
            made.won()
        if watch:
            watch.told()
        return True

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
        ledger = ledger.seen_at(now)
        value, ttl = self._written(ledger, now)
        if not self.recorder or not self.recorder.takes(found, ledger):
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
