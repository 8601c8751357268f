"""Somebody who sees all calls, messages and ledgers of a world, and says when a rule was broken."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from otp_app.core.check_transitions import Verdict
from otp_app.core.delivery import Delivery, Message, Outcome
from otp_app.core.instant import Instant
from otp_app.core.ledger import Status, Verification
from otp_app.core.ledger_json import decode
from otp_app.core.policy import DAY, HOUR
from otp_app.core.results import SendResult
from otp_app.core.service import VerificationService
from tests.core.fakes import World

EPSILON = 1e-6


@dataclass
class Story:
    """What was seen of one verification."""

    number: str
    purpose: str
    begun: Instant  # no earlier than this
    alive_until: float  # uptime in that boot up to which a send has given it life
    looked_at: int = 0
    approvals: int = 0


@dataclass
class Seen:
    """What was seen of one number while the clock only went forward."""

    messages: list[float] = field(default_factory=list)  # wall clock at which the send of a message was called
    codes: set[str] = field(default_factory=set)


class Witness:
    """Keeps the story of every verification."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.stories: dict[str, Story] = {}
        self._seen: dict[str, Seen] = defaultdict(Seen)
        self._latest: dict[tuple[str, str], str] = {}

    def latest(self, number: str, purpose: str) -> str | None:
        """The id that a caller last heard for a number and purpose."""
        return self._latest.get((number, purpose))

    def pending(self, server: VerificationService, number: str, purpose: str) -> str | None:
        """The pending verification, if a send need not begin a new one for want of life."""
        stored = self._stored(number)
        now = self._world.clock()
        for verification in stored:
            if verification.purpose == purpose and verification.is_pending(now) and verification.age(now) <= 540:
                assert server.status(verification.id).status == Status.PENDING
                return verification.id
        return None

    def heard(self, sending: SendResult, number: str, purpose: str, called: Instant) -> None:
        """A caller heard that a send went well."""
        now, id_ = self._world.clock(), sending.verification_id
        self._latest[number, purpose] = id_
        self._note_new(number, called)
        story = self.stories[id_]
        assert (story.number, story.purpose) == (number, purpose)
        assert 0 < sending.expires_in <= 300
        if story.begun.boot == now.boot:
            assert now.uptime + sending.expires_in <= story.begun.uptime + 600 + EPSILON, "more than 600 s of life"
            story.alive_until = max(story.alive_until, called.uptime + 300)

    def look_at_messages(self, number: str, before: list[int], called: Instant, *, authenticated: bool) -> None:
        """Compare the channels with what they had before a send, whatever came of it."""
        fresh: list[Message] = []
        taken: list[Delivery] = []
        for channel, count in zip(self._world.channels, before, strict=True):
            assert len(channel.messages) - count <= 1, "two messages by one channel"
            fresh += channel.messages[count:]
            taken += [answer for answer in channel.answers[count:] if answer.outcome != Outcome.REFUSED]
        assert all(m.to == number for m in fresh)
        assert number not in self._world.test_numbers or not fresh, "a message to a test number"
        assert len(taken) <= 1, "two messages by one send"
        self._seen[number].codes |= {m.code for m in fresh}
        self._note_new(number, called)
        if fresh:
            self._may_live_longer(number, called)
        if taken:
            self._keep_times(self._seen[number], called.wall, authenticated)

    def looked_at(self, verdict: Verdict, number: str, purpose: str, attempt: str, asked: Instant) -> None:
        """An attempt was answered."""
        assert verdict.counted or not verdict.approved
        if not verdict.counted:
            return
        story = self.stories[verdict.verification_id]
        story.looked_at += 1
        story.approvals += verdict.approved
        assert (story.number, story.purpose) == (number, purpose)
        if verdict.approved:
            assert number in self._world.test_numbers or attempt in self._seen[number].codes, "a code never sent"
        if story.begun.boot == asked.boot:
            assert asked.uptime < story.begun.uptime + 600 + EPSILON, "looked at after 600 s"
            assert asked.uptime < story.alive_until + EPSILON, "looked at after its life"

    def forget_times(self) -> None:
        """The clock was set back: what was sent before cannot be compared any more."""
        for seen in self._seen.values():
            seen.messages.clear()

    def code(self, number: str, purpose: str) -> str:
        """The code that would be right now for what a caller last heard of."""
        if number in self._world.test_numbers:
            return self._world.test_numbers[number].code
        target = next((v for v in self._stored(number) if v.id == self.latest(number, purpose)), None)
        return self._derived(number, target) if target else "000000"

    def _derived(self, number: str, target: Verification) -> str:
        return self._world.keys.derive(
            target.key,
            verification_id=target.id,
            phone=number,
            purpose=target.purpose,
            generation=target.generation,
            length=target.length,
        )

    def _keep_times(self, seen: Seen, called: float, authenticated: bool) -> None:
        if seen.messages:
            assert called - seen.messages[-1] >= 30 - EPSILON, "the gap was not kept"
        seen.messages.append(called)
        assert sum(called - at < HOUR for at in seen.messages) <= 5, "more than five messages in an hour"
        assert sum(called - at < DAY for at in seen.messages) <= (15 if authenticated else 10), "too many in a day"

    def _note_new(self, number: str, called: Instant) -> None:
        """Even of a send that broke off, the ledger may have a new verification."""
        for verification in self._stored(number):
            story = Story(number, verification.purpose, called, called.uptime + 300)
            self.stories.setdefault(verification.id, story)

    def _may_live_longer(self, number: str, called: Instant) -> None:
        """A refused resend gives its verification life too."""
        for story in self.stories.values():
            if story.number == number and story.begun.boot == called.boot:
                story.alive_until = max(story.alive_until, called.uptime + 300)

    def _stored(self, number: str) -> tuple[Verification, ...]:
        data = self._world.store.peek(self._world.ids.ledger(number))
        return decode(data).verifications if data else ()
