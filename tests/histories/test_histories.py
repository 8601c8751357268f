"""Histories of several servers, of which any may be killed at any call of the store or the database, by seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from otp_app.core.errors import OtpError
from otp_app.core.policy import HOUR, Policy
from otp_app.core.receipts import Status
from otp_app.history.recorder import Recorder
from tests.core.fakes import SENT, UNKNOWN, LaterStore, refused, wrong
from tests.histories.recording import FoundLaterStore, FoundStore, Recording, in_file
from tests.rounds import rounds

PARTS, STEPS = 4, 40
PHONES = ["+14155552671", "+447400123456"]


class Killed(BaseException):
    """The process was killed here."""


class History:
    """Two servers, two numbers."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.chance = random.Random(seed)
        store = self.chance.choice([FoundStore, FoundLaterStore])
        self.recording = Recording(in_file(folder), policy=Policy(gaps=(), sends_per_hour=50), stores=store)
        self.world, self.kills, self.left = self.recording.world, 0, -1
        self.world.store.before = self.world.store.after = lambda verb, index: self.burn()
        self.recording.database.burn = self.burn
        self.servers: list[Recorder] = [self.recording.recorder]

    def run(self) -> None:
        steps: list[Callable[[], None]] = [
            self.send, self.send, self.report, self.check, self.check, self.cancel, self.notify, self.work, self.turn,
            self.wait, self.start,
        ]  # fmt: skip
        for _ in range(STEPS):
            self._may_be_killed(self.chance.choice(steps))
        self._all_turn()
        for _ in range(60):  # until what was pending has ended, and who was killed is known to be gone
            self.world.clock.forward(30.0)
            self._all_turn()
        self.recording.check()

    # ---- steps

    def send(self) -> None:
        for channel in self.world.channels:
            channel.always = self.chance.choice([SENT, SENT, UNKNOWN, refused()])
        self.world.send(self.phone(), purpose=self.chance.choice(["a", "b"]))

    def report(self) -> None:
        self.recording.report(self.chance.choice(list(Status)), 63024, self.phone())

    def check(self) -> None:
        if messages := [message for message in self.world.messages() if message.code]:
            message = self.chance.choice(messages[-3:])
            code = self.chance.choice([message.code, wrong(message.code)])
            self.world.service().check(code, verification_id=message.verification_id)

    def cancel(self) -> None:
        self.world.service().cancel(phone_number=self.phone(), purpose="a")

    def notify(self) -> None:
        self.recording.notifying.send(self.phone())

    def work(self) -> None:
        self.world.clock.forward(1.0)
        self.recording.notifying.work()

    def turn(self) -> None:
        self.servers[-1].turn()

    def wait(self) -> None:
        self._all_turn()
        self.world.clock.forward(self.chance.choice([5.0, 60.0, 301.0, HOUR]))
        self._all_turn()

    def start(self) -> None:
        """Another server begins, or takes its turn to be asked."""
        if len(self.servers) < 2:
            self.servers.append(self.recording.start())
        self.servers.reverse()
        self.world.recorder = self.servers[-1]

    def phone(self) -> str:
        return self.chance.choice(PHONES)

    def _all_turn(self) -> None:
        for server in self.servers:
            self.recording.turns(server)

    # ---- what kills

    def burn(self) -> None:
        if self.left >= 0:
            self.left -= 1
            if self.left < 0:
                raise Killed

    def _may_be_killed(self, step: Callable[[], Any]) -> None:
        self.left = self.chance.choice([-1, self.chance.randrange(12)])
        try:
            with suppress(OtpError, KeyError, IndexError):
                step()
        except Killed:
            self.kills += 1
            self.servers.pop()
            if isinstance(self.world.store, LaterStore):
                self.world.store.later.clear()
            self.left = -1
            if not self.servers:
                self.servers.append(self.recording.start())
            self.world.recorder = self.servers[-1]
        finally:
            self.left = -1


@pytest.mark.parametrize("part", range(PARTS))
def test_there_is_a_row_of_each_that_ended_whoever_is_killed(part: int, tmp_path: Path) -> None:
    kills = ended = 0
    for seed in range(part, rounds(24, 400), PARTS):
        folder = tmp_path / str(seed)
        folder.mkdir()
        history = History(seed, folder)
        try:
            history.run()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        kills += history.kills
        ended += len(history.recording.rows())
        history.recording.database.close()
    assert kills > 5
    assert ended > 20
