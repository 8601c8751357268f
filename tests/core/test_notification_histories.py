"""Requests, receipts, STOPs and jobs in any order, by servers that are killed between any two of their steps."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import pairwise

import pytest

from otp_app.core.delivery import Delivery, Message, Outcome, Reason
from otp_app.core.errors import OtpError
from otp_app.core.notification import LIFE, NOTIFICATION, Notification, Status, decode
from otp_app.core.policy import DAY
from otp_app.core.receipts import ARRIVED, GIVEN_UP
from otp_app.core.receipts import Status as Reported
from tests.core.fakes import PHONE, SENT, UNKNOWN, FakeChannel, refused
from tests.core.notifying import AFTER, FRAUD, LEASE, STOP, Notifying
from tests.core.test_fallback_histories import Fuse, FusedJobs, Killed
from tests.rounds import rounds

NAMES = ("whatsapp", "sms", "other")
STATUSES = [*Reported, "undelivered", "undelivered", "failed", "failed"]
ANSWERS = [
    SENT, SENT, SENT, SENT, UNKNOWN, refused(), refused(Reason.BAD_NUMBER), refused(Reason.THROTTLED),
    Delivery(Outcome.REFUSED, reason=Reason.OPTED_OUT, provider_code=STOP),
]  # fmt: skip
STEPS = 16
PARTS = 4  # of the seeds, for one process each


class History:
    """One number, and all that happens to it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.notifying = Notifying(*NAMES, after=self.chance.choice([0.0, AFTER]))
        self.notifying.per_number = 6
        self.world, self.fuse = self.notifying.world, Fuse()
        self.notifying.jobs = FusedJobs(lambda: self.world.clock.wall, self.fuse)
        self.world.store.before = self.world.store.after = self.fuse.burn
        self.accepted: dict[str, str] = {}  # what was answered with 202: key of the request -> id
        self.left: dict[str, float] = {}  # each message that left, by its send, and when
        self.kills = self.followed = 0
        for channel in self.world.channels:
            channel.during = partial(self._left, channel)

    def run(self) -> None:
        for _ in range(STEPS):
            often = [self.send, self.report, self.work]
            self._may_be_killed(self.chance.choice([*often, *often, *often, self.stop, self.wait]))
            self.look()
        for _ in range(4):
            self.world.clock.forward(LEASE + 1)
            self.notifying.work()
            self.look()
        for channel in self.world.channels:
            channel.always = SENT
        for _ in range(14):
            self.world.clock.forward(300.0)
            self.notifying.work()
        self.nothing_is_lost()
        self.world.clock.forward(LIFE)
        self.notifying.work()
        self.nothing_is_kept()
        pairs = [pair for record in self._records().values() for pair in pairwise(record.sends)]
        self.followed = sum(one.state != Outcome.REFUSED for one, _ in pairs)

    def _may_be_killed(self, step: Callable[[], None]) -> None:
        self.fuse.left = self.chance.choice([None, self.chance.randrange(16)])
        try:
            with suppress(OtpError):
                step()
        except Killed:
            self.kills += 1
        finally:
            self.fuse.left = None

    # ---- steps

    def send(self) -> None:
        for channel in self.world.channels:
            channel.always = self.chance.choice(ANSWERS)
        key = self.chance.choice(["k1", "k2", "k3", "k4"])
        found = self.notifying.send(key=key)
        assert self.accepted.setdefault(key, found) == found, "a key got another notification"

    def report(self) -> None:
        if sends := [(id_, send) for id_, record in self._records().items() for send in record.sends]:
            id_, send = self.chance.choice(sends)
            number = self._records()[id_].sends.index(send)
            status, code = self.chance.choice(STATUSES), self.chance.choice([0, 0, 0, FRAUD, STOP])
            self.notifying.report(id_, status, code if status in GIVEN_UP else 0, number)

    def work(self) -> None:
        """What is due; each message follows one that did not arrive, or none, and no STOP."""
        before, known, now = self._records(), set(self.left), self.world.clock.wall
        try:
            self.notifying.work()
        finally:
            self.fuse.left = None
            for send_id in set(self.left) - known:
                self._may_leave(send_id, before, now)

    def _may_leave(self, send_id: str, before: dict[str, Notification], now: float) -> None:
        record = next(record for record in self._records().values() if record.send(send_id))
        earlier = record.sends[: [send.id for send in record.sends].index(send_id)]
        if not earlier:
            return
        last = earlier[-1]
        reported = {report.status for report in last.receipts}
        silent = last.state == Outcome.SENT and self.notifying.following.after and now - last.at >= AFTER
        assert last.state == Outcome.REFUSED or reported & GIVEN_UP or silent, f"{last.state} was sent again"
        assert not reported & ARRIVED, "it had arrived"

    def stop(self) -> None:
        opt_outs = self.world.service().opt_outs
        (opt_outs.stop if self.chance.random() < 0.4 else opt_outs.start)(PHONE)

    def wait(self) -> None:
        self.world.clock.forward(self.chance.choice([1.0, 5.0, 20.0, AFTER, 60.0, 600.0]))

    # ---- what must hold

    def look(self) -> None:
        messages = self.world.messages()
        assert len({message.send_id for message in messages}) == len(messages), "a message left twice"
        records = self._records()
        known = {send.id for record in records.values() for send in record.sends}
        assert {message.send_id for message in messages} <= known, "a message was not in its record"
        for record in records.values():
            taken = [s for s in record.sends if s.state in (Outcome.SENT, Outcome.UNKNOWN)]
            assert len({send.channel for send in taken}) == len(taken), "a channel took it twice"
        now = self.world.clock.wall
        assert sum(now - record.at < DAY for record in records.values()) <= 6, "the cap was not kept"

    def nothing_is_lost(self) -> None:
        """What was accepted has been sent, refused or stopped, or nobody knows; none is merely forgotten."""
        for id_ in self.accepted.values():
            view = self.notifying.view(id_)
            assert view.status != Status.QUEUED, "it was lost"
            if not view.record.sends:
                assert view.status in (Status.STOPPED, Status.FAILED), "it was never tried"
                assert view.record.reason, "nobody says why"

    def nothing_is_kept(self) -> None:
        assert self.notifying.jobs.next_in() is None, "a job is left"
        for record in self._records().values():
            assert not record.variables, "what it said is kept"

    def _left(self, channel: FakeChannel, message: Message) -> None:
        """No other message of the same record leaves at once; the send is in the record."""
        self.left[message.send_id] = self.world.clock.wall
        try:
            self.fuse.burn()
        except Killed:
            channel.answers.append(UNKNOWN)  # which nobody heard
            raise

    def _records(self) -> dict[str, Notification]:
        keys = [key for key in self.world.store.values if key.startswith(NOTIFICATION)]
        stored = {key.removeprefix(NOTIFICATION): self.world.store.peek(key) for key in keys}
        return {id_: decode(data) for id_, data in stored.items() if data}


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_is_sent_twice_nor_lost_nor_beyond_the_limit_whoever_is_killed(part: int) -> None:
    kills = followed = 0
    for seed in range(part, rounds(240, 4000), PARTS):
        history = History(seed)
        try:
            history.run()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        kills += history.kills
        followed += history.followed
    assert min(kills, followed) > 50 / PARTS
