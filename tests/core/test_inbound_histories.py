"""Random histories of people who write: two servers over one store, messages that come late, twice and in any order,
and processes that die before and after any call of the store.
"""  # fmt: skip

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from otp_app.core.errors import NotPending, TooManyPending
from otp_app.core.events import Approval, Checked
from otp_app.core.inbound_transitions import Incoming
from otp_app.core.ledger import Status
from otp_app.core.policy import Policy
from otp_app.core.results import SendRequest
from tests.core.caller import Dead, die
from tests.core.fakes import World
from tests.rounds import rounds

PHONES = [f"+1415555267{n}" for n in range(4)]
STEPS = 40


@dataclass
class Asked:
    """A verification as the test remembers it."""

    id: str
    word: str
    phone: str
    begun: float
    right: set[tuple[str, str]] = field(default_factory=set)  # (message id, sender) brought while it could be approved
    wrong: set[str] = field(default_factory=set)  # ids of messages with its word from another number than its own
    canceled: bool = False


class History:
    """One history. What is told by a process that dies is lost with it, so `deaths` counts those."""

    def __init__(self, seed: int) -> None:
        self.random, self.world = random.Random(seed), World(policy=Policy(max_attempts=3))
        self.approvals: list[Approval] = []
        self.world.on_approved.append(self.approvals.append)
        self.asked: list[Asked] = []
        self.messages: list[tuple[Incoming, Asked | None]] = []
        self.deaths = 0

    def step(self) -> None:
        self.random.choices([self.begin, self.write, self.repeat, self.wait, self.cancel], [3, 6, 6, 2, 1])[0]()

    def begin(self) -> None:
        phone = self.random.choice(["", *PHONES])
        try:
            view, word = self.world.service().inbound.begin(SendRequest(), phone)
        except TooManyPending:
            return
        self.asked.append(Asked(view.verification.id, word, phone, self.world.clock.wall))

    def write(self) -> None:
        about = self.random.choice(self.asked) if self.asked and self.random.random() < 0.8 else None
        number, text = self.random.choice(PHONES), about.word if about else "KM4T9-XQPHW"
        sender = f"whatsapp:{number}/{len(self.messages)}"  # no sender comes to the end of its messages
        message = Incoming("whatsapp", sender, number, f"SM{len(self.messages)}", text)
        self.messages.append((message, about))
        self.bring(*self.messages[-1])

    def repeat(self) -> None:
        if self.messages:
            self.bring(*self.random.choice(self.messages))

    def wait(self) -> None:
        self.world.clock.forward(self.random.choice([1, 60, 200]))

    def cancel(self) -> None:
        if self.asked:
            one = self.random.choice(self.asked)
            with suppress(NotPending):
                self.world.service().cancel(one.id)
                one.canceled = True

    def bring(self, message: Incoming, about: Asked | None) -> None:
        """Have it taken; the process may die at any call of the store, or another message may come in between."""
        if about and self.world.clock.wall - about.begun < self.world.policy.ttl and not about.canceled:
            if about.phone in ("", message.number):
                about.right.add((message.message_id, message.number))
            else:
                about.wrong.add(message.message_id)
        at, what = len(self.world.store.calls) + self.random.randrange(8), self.random.random()

        def interfere(_: str, index: int) -> None:
            if index == at:
                self.world.store.before = self.world.store.after = lambda verb, index: None
                if what < 0.3:
                    die()
                elif self.messages:
                    self.bring(*self.random.choice(self.messages))

        if what < 0.6:
            setattr(self.world.store, self.random.choice(["before", "after"]), interfere)
        try:
            self.world.service().inbound.take(message)
        except Dead:
            self.deaths += 1
        self.world.store.before = self.world.store.after = lambda verb, index: None

    def check(self) -> None:
        told = Counter(approval.verification_id for approval in self.approvals)
        checked = [event for event in self.world.events if isinstance(event, Checked)]
        ends = Counter(event.verification_id for event in checked if event.status == "approved")
        assert max([0, *told.values(), *ends.values()]) <= 1
        statuses = Counter(self.check_one(one) for one in self.asked)
        assert statuses[Status.APPROVED] - len(told) <= self.deaths

    def check_one(self, one: Asked) -> Status:
        view = self.world.service().status(one.id)
        inbound = view.verification.inbound
        assert inbound is not None
        assert view.verification.attempts == len(set(inbound.refused)) == len(inbound.refused) <= 3
        assert set(inbound.refused) <= one.wrong
        if view.status == Status.APPROVED:
            assert (inbound.message_id, view.phone) in one.right
        assert view.phone == one.phone or (not one.phone and view.status == Status.APPROVED)
        return view.status


@pytest.mark.parametrize("seed", range(rounds(40, 2000)))
def test_whatever_happens_each_proof_is_of_the_number_that_wrote(seed: int) -> None:
    """Each at most once, and never of a message that came too late; each wrong message is one attempt."""
    history = History(seed)
    for _ in range(STEPS):
        history.step()
    history.check()
