"""Sends, receipts, jobs and attempts in any order, by servers that are killed between any two of their steps."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import pytest

from otp_app.core.delivery import Message, Outcome
from otp_app.core.errors import OtpError
from otp_app.core.follow_transitions import did_not_arrive, follow, is_awaited
from otp_app.core.jobs import Job
from otp_app.core.ledger import Send, Verification
from otp_app.core.policy import HOUR, Policy
from otp_app.core.receipts import ARRIVED, GIVEN_UP, Status
from otp_app.stores.memory import MemoryJobs
from tests.core.fakes import PHONE, SENT, UNKNOWN, DictStore, FakeChannel, LaterStore, refused
from tests.core.falling import AFTER, LEASE, Falling
from tests.rounds import rounds

NAMES = ("whatsapp", "sms", "other")
STATUSES = [*Status, "undelivered", "undelivered", "failed", "failed"]
STEPS = 14
PARTS = 4  # of the seeds, for one process each


class Killed(BaseException):
    """The server was killed here."""


class Fuse:
    """Kills a server at one of its calls of the store, the jobs or a provider."""

    def __init__(self) -> None:
        self.left: int | None = None

    def burn(self, *_: object) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed


class FusedJobs(MemoryJobs):
    """Each call may be the last, before and after its work."""

    def __init__(self, clock: Callable[[], float], fuse: Fuse) -> None:
        super().__init__(clock)
        self._fuse = fuse

    @contextmanager
    def _fused(self) -> Iterator[None]:
        self._fuse.burn()
        yield
        self._fuse.burn()

    def put(self, job_id: str, payload: bytes, delay: float) -> None:
        with self._fused():
            super().put(job_id, payload, delay)

    def take(self, lease: float, limit: int) -> list[Job]:
        with self._fused():
            return super().take(lease, limit)

    def done(self, job: Job) -> bool:
        with self._fused():
            return super().done(job)


class History:
    """One number, and all that happens to it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        stores: list[type[DictStore]] = [DictStore, LaterStore]
        self.falling = Falling(*NAMES, policy=Policy(gaps=()), stores=self.chance.choice(stores))
        self.world, self.fuse = self.falling.world, Fuse()
        jobs = FusedJobs(lambda: self.world.clock.wall, self.fuse)
        self.falling.jobs = jobs
        reporting = {"whatsapp", "sms"}
        self.world.reminders = type(self.world.reminders)(jobs.put, after=AFTER, reporting=reporting)
        self.world.store.before = self.world.store.after = self.fuse.burn
        self.kills = self.followed = 0
        self.times: dict[str, float] = {}  # of each message that left, by the id of its send
        for channel in self.world.channels:
            channel.during = partial(self._left, channel)

    def run(self) -> None:
        for _ in range(STEPS):
            often = [self.report, self.work]
            self._may_be_killed(self.chance.choice([*often, *often, self.send, self.wait, self.check]))
            self.look()
        for _ in range(3):
            self.world.clock.forward(LEASE + 1)
            self.work()
            self.look()
        self.nothing_is_lost()

    def _may_be_killed(self, step: Callable[[], None]) -> None:
        self.fuse.left = self.chance.choice([None, self.chance.randrange(14)])
        try:
            with suppress(OtpError):
                step()
        except Killed:
            self.kills += 1
            if isinstance(self.world.store, LaterStore):
                self.world.store.later.clear()
        finally:
            self.fuse.left = None

    # ---- steps

    def send(self) -> None:
        for channel in self.world.channels:
            channel.always = self.chance.choice([SENT, SENT, SENT, UNKNOWN, refused()])
        self.world.send()

    def report(self) -> None:
        if sends := [send for verification in self._verifications() for send in verification.sends]:
            self.falling.report(self.chance.choice(STATUSES), 0, self.chance.choice(sends[-3:]))

    def work(self) -> None:
        """What is due; every message of it follows one that certainly did not arrive, or stayed silent."""
        before = {send.id: (v, send) for v in self._verifications() for send in v.sends}
        known, now = set(self.times), self.world.clock()
        try:
            self.falling.work()
        finally:
            fuse, self.fuse.left = self.fuse.left, None
            for send_id in set(self.times) - known:
                self.followed += 1
                verification, _ = self.world.ledger().by_send(send_id) or (None, None)
                assert verification
                last = next(s for s in reversed(verification.sends) if s.id in before)
                assert before[last.id][0].is_pending(now), "after the end"
                self._may_be_followed(last)
            self.fuse.left = fuse

    def _may_be_followed(self, send: Send) -> None:
        last = send.receipts[-1].status if send.receipts else ""
        silent = send.state == Outcome.SENT and self.world.clock.wall - send.at >= AFTER and last not in ARRIVED
        assert last in GIVEN_UP or silent, f"{send.state} was sent again"

    def wait(self) -> None:
        self.world.clock.forward(self.chance.choice([1.0, 5.0, 20.0, AFTER, 60.0]))

    def check(self) -> None:
        if self.chance.random() < 0.3 and self.times:
            self.falling.check(self.world.code())

    # ---- what must hold

    def look(self) -> None:
        messages = self.world.messages()
        assert len({message.send_id for message in messages}) == len(messages), "a message left twice"
        by_verification: dict[str, set[str]] = {}
        for message in messages:
            by_verification.setdefault(message.verification_id, set()).add(message.code)
        assert all(len(codes) == 1 for codes in by_verification.values()), "two codes"
        answered = [pair for c in self.world.channels for pair in zip(c.messages, c.answers, strict=True)]
        taken = {message.send_id for message, answer in answered if answer.outcome != Outcome.REFUSED}
        assert taken <= {send.id for v in self._verifications() for send in v.sends}, "a message was not counted"
        now = self.world.clock.wall
        assert sum(now - self.times[send_id] < HOUR for send_id in taken) <= 5, "the cap was not kept"

    def nothing_is_lost(self) -> None:
        """What could still be followed has been."""
        data = self.world.store.peek(self.world.ids.ledger(PHONE))
        if data is None:
            return
        ledger, now = self.world.ledger(), self.world.clock()
        for verification in ledger.pending(now):
            send = verification.sends[-1]
            if did_not_arrive(send, silent=False) and not is_awaited(now, send):
                assert follow(ledger, now, self.world.policy, send, "VL", NAMES, lambda v: "") is None, "it was lost"

    def _left(self, channel: FakeChannel, message: Message) -> None:
        self.times[message.send_id] = self.world.clock.wall
        try:
            self.fuse.burn()
        except Killed:
            channel.answers.append(UNKNOWN)  # which nobody heard
            raise

    def _verifications(self) -> tuple[Verification, ...]:
        data = self.world.store.peek(self.world.ids.ledger(PHONE))
        return self.world.ledger().verifications if data else ()


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_is_sent_twice_nor_lost_nor_beyond_the_caps_whoever_is_killed(part: int) -> None:
    kills = followed = 0
    for seed in range(part, rounds(160, 4000), PARTS):
        history = History(seed)
        try:
            history.run()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        kills += history.kills
        followed += history.followed
    assert min(kills, followed) > 40 / PARTS
