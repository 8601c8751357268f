"""Sends, receipts, attempts and jobs in any order, by servers that are killed between any two of their steps."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest

from otp_app.background.webhooks.posting import Reply
from otp_app.core.errors import OtpError
from otp_app.core.jobs import NewJob
from otp_app.core.ledger_json import decode
from otp_app.core.policy import HOUR, Policy
from otp_app.core.receipts import Status
from otp_app.core.store import Swap
from tests.background.webhooks.telling import AWAY, TAKEN, FoundStore, JobsStore, Telling
from tests.core.fakes import PHONE, SENT, UNKNOWN, DictStore, LaterStore, refused, wrong
from tests.rounds import rounds

STEPS = 14
PARTS = 4  # of the seeds, for one process each


class Killed(BaseException):
    """The server was killed here."""


class FoundLaterStore(LaterStore, JobsStore):
    """A store whose later swaps are lost with the process, and which puts jobs with its swaps, as SQLite's does."""

    def swap_with_jobs(
        self, key: str, old: bytes | None, new: bytes | None, ttl: float, new_jobs: Sequence[NewJob]
    ) -> Swap:
        self.catch_up()
        return super().swap_with_jobs(key, old, new, ttl, new_jobs)


class History:
    """One number, and all that happens to it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        stores: list[type[DictStore]] = [FoundStore, FoundLaterStore]
        self.telling = Telling(policy=Policy(gaps=()), stores=self.chance.choice(stores))
        self.world, self.kills, self.left = self.telling.world, 0, [-1]
        self.happened: dict[str, int] = {}  # the number of the last event of each verification that is stored
        self.world.store.before = self.burn
        self.world.store.after = self.burn
        self._watch_swaps()
        for name in ("put", "take", "done"):
            setattr(self.telling.jobs, name, self._fused(getattr(self.telling.jobs, name)))
        self.telling.receiver.before = self._meanwhile
        self.within = False

    def run(self) -> None:
        steps = [self.send, self.send, self.report, self.report, self.check, self.wait, self.telling.tell]
        for _ in range(STEPS):
            always = [TAKEN, TAKEN, AWAY, Reply(taken=False, why="answered 500", retry_after=30.0)]
            self.telling.receiver.always = self.chance.choice(always)
            self._may_be_killed(self.chance.choice([*steps, self.telling.work, self.telling.work, self.cancel]))
        self.telling.receiver.always = TAKEN
        self.telling.wait(3 * HOUR)
        for id_, last in self.happened.items():
            assert self.telling.receiver.numbers(id_) == list(range(1, last + 1)), "lost, or out of order"
        assert self.telling.jobs.next_in() is None, "a job stayed"
        assert not [key for key in self.world.store.values if key.startswith("e:") and self.world.store.peek(key)]

    # ---- steps

    def send(self) -> None:
        for channel in self.world.channels:
            channel.always = self.chance.choice([SENT, SENT, UNKNOWN, refused()])
        self.world.send(purpose=self.chance.choice(["a", "b"]))

    def report(self) -> None:
        stored = self.world.store.peek(self.world.ids.ledger(PHONE))
        if stored and (verifications := decode(stored).verifications) and verifications[-1].sends:
            self.telling.report(self.chance.choice(list(Status)), 63024)

    def check(self) -> None:
        if messages := self.world.messages():
            code = self.chance.choice([messages[-1].code, wrong(messages[-1].code)])
            self.world.service().check(code, verification_id=messages[-1].verification_id)

    def cancel(self) -> None:
        self.world.service().cancel(phone_number=PHONE, purpose="a")

    def wait(self) -> None:
        self.world.clock.forward(self.chance.choice([0.5, 5.0, 60.0, 301.0, HOUR]))

    # ---- what kills, and what comes between

    def burn(self, *_: object) -> None:
        if self.left[0] >= 0:
            self.left[0] -= 1
            if self.left[0] < 0:
                raise Killed

    def _fused(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def fused(*given: Any) -> Any:
            self.burn()
            answer = method(*given)
            self.burn()
            return answer

        return fused

    def _meanwhile(self) -> None:
        """Another server may be at the same verification."""
        self.burn()
        if not self.within and self.chance.random() < 0.3:
            self.within = True
            try:
                for id_ in list(self.happened):
                    self.telling.deliverer(self.world.service()).deliver(id_, is_due=self.chance.random() < 0.5)
            finally:
                self.within = False

    def _may_be_killed(self, step: Callable[[], None]) -> None:
        self.left[0] = self.chance.choice([-1, self.chance.randrange(30)])
        try:
            with suppress(OtpError):
                step()
        except Killed:
            self.kills += 1
            self.telling.woken.clear()
            if isinstance(self.world.store, LaterStore):
                self.world.store.later.clear()
        finally:
            self.left[0] = -1

    def _watch_swaps(self) -> None:
        swap = self.world.store._swap

        def watched(key: str, old: bytes | None, new: bytes | None, ttl: float) -> Swap:
            done = swap(key, old, new, ttl)
            if done.won and new and key.startswith("n:"):
                ledger = decode(new)
                self.happened |= {v.id: v.noted for v in (*ledger.verifications, *ledger.gone)}
            return done

        self.world.store._swap = watched  # type: ignore[method-assign]


@pytest.mark.parametrize("part", range(PARTS))
def test_every_event_is_told_in_order_whoever_is_killed(part: int) -> None:
    kills = events = 0
    for seed in range(part, rounds(100, 2000), PARTS):
        history = History(seed)
        try:
            history.run()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        kills += history.kills
        events += sum(history.happened.values())
    assert kills > 10
    assert events > 50
