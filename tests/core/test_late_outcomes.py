"""A late outcome takes a step back only where nothing happened to its purpose since, whatever runs in between."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from otp_app.core.allowance import risk_at_stake, risk_spent
from otp_app.core.checks import approve, cancel, check
from otp_app.core.codes import moved
from otp_app.core.errors import InvalidInput, LimitReached, OtpError
from otp_app.core.interfaces import Outcome, Reason
from otp_app.core.ledger import Ledger, Send, Status, Verification, decode, encode
from otp_app.core.policy import HOUR, Policy
from otp_app.core.transitions import Opening, begin, settle
from tests.core.fakes import PHONE, SENT, UNKNOWN, FakeClock, refused, wrong
from tests.core.number import WRONG, Number

NATIVE = Policy()
#: As they are, but for gaps: a search finds more where each step may be a send.
OFTEN = Policy(gaps=(), sends_per_hour=10)
USERS = replace(NATIVE, face_attempts=3, tells_end_once=True)
POLICIES = {
    "native": OFTEN,
    "users": replace(OFTEN, face_attempts=3, tells_end_once=True),
    "new codes": replace(OFTEN, new_code_on_resend=True),
    "verify": replace(OFTEN, ttl=600.0, face_attempts=5, sends_per_verification=5),
    "verify, four digits": replace(OFTEN, ttl=600.0, face_attempts=5, sends_per_verification=5, length=4),
}
#: What docs/limits.md says of spent and pending risk together, in 1e-10: the line, one code of four digits, long ones.
MOST_RISK = 400_000 + 5 * 1_000_000 + 50_000


@pytest.fixture
def number() -> Number:
    return Number()


def _replaced(number: Number) -> tuple[Verification, Verification, Send]:
    """A verification without guesses for one API, and the send of that API which ended it and is on its way."""
    before = number.send()
    for _ in range(3):
        number.check(before, WRONG)
    number.clock.forward(31)
    number.policy = USERS
    return before, *number.begin()


@pytest.mark.parametrize("end", [cancel, approve])
def test_a_late_refusal_never_makes_a_second_verification_of_a_purpose_pending(number: Number, end: object) -> None:
    before, gone, send = _replaced(number)
    number.clock.forward(1)
    number.ledger, _ = end(number.ledger, number.now, number.policy, gone)  # type: ignore[operator]
    number.clock.forward(121)
    latest = number.send()
    number.ledger = settle(number.ledger, number.now, send.id, refused())
    assert [v.id for v in number.ledger.pending(number.now)] == [latest.id]
    assert number.of(before).status == Status.MAX_ATTEMPTS_REACHED  # type: ignore[union-attr]


def test_a_late_refusal_revives_nothing_once_the_new_code_was_guessed_at(number: Number) -> None:
    before, gone, send = _replaced(number)
    number.check(gone, WRONG)
    number.ledger = settle(number.ledger, number.now, send.id, refused())
    assert number.of(before).status == Status.MAX_ATTEMPTS_REACHED  # type: ignore[union-attr]


def test_a_verification_that_ended_while_its_message_was_on_its_way_stays_as_it_ended(number: Number) -> None:
    verification, send = number.begin()
    number.ledger, _ = cancel(number.ledger, number.now, number.policy, verification)
    number.ledger = settle(number.ledger, number.now, send.id, refused())
    assert number.of(verification).status == Status.CANCELED  # type: ignore[union-attr]


def test_a_late_refusal_leaves_the_gap_of_a_later_refusal_about_the_number(number: Number) -> None:
    """Two APIs share a number: the first has no gaps, the second's refusal keeps its gap."""
    number.policy = POLICIES["verify"]
    _, slow = number.begin()
    number.clock.forward(31)
    number.refuse(Reason.BAD_NUMBER, purpose="payment")
    number.ledger = settle(number.ledger, number.now, slow.id, refused())
    assert number.ledger.last_send == number.clock.wall


def test_a_late_refusal_takes_nothing_from_a_streak_that_an_approval_began_anew(number: Number) -> None:
    number.policy = POLICIES["verify"]
    first = number.send()
    _, slow = number.begin(purpose="payment")
    number.check(first)
    for _ in range(2):
        number.send(purpose="other")
    before = number.ledger.streak
    number.ledger = settle(number.ledger, number.now, slow.id, refused())
    assert number.ledger.streak == before


# ---- everything, in any order


def code_of(verification: Verification) -> str:
    """A code of each verification's and generation's own, or the chosen one."""
    what = f"{verification.id} {verification.generation} {verification.digits}"
    derived = int(hashlib.sha256(what.encode()).hexdigest(), 16) % 10**verification.digits
    return moved(f"{derived:0{verification.digits}d}", verification.distance)


@dataclass
class Sent:
    """One message as the provider saw it."""

    send: Send
    verification: str
    code: str
    state: str = "pending"


class Interleaved(RuleBasedStateMachine):
    """One number, whose sends get their outcomes at any time or never."""

    @initialize()
    def start(self) -> None:
        self.clock, self.ledger = FakeClock(), Ledger(PHONE)
        self.messages: list[Sent] = []
        self.ended: dict[str, str] = {}  # by callers and guesses; these must stay ended

    @rule(
        policy=st.sampled_from(sorted(POLICIES)),
        purpose=st.sampled_from(["login", "pay"]),
        code=st.sampled_from(["", "", "4321", "7654321", "87654321"]),
        insists=st.booleans(),
    )
    def send(self, policy: str, purpose: str, code: str, insists: bool) -> None:
        n = f"{len(self.messages):032x}"
        opening = Opening(purpose, ("a", "b"), True, "VE" + n, "VL" + n, "k1", code=code, insists=insists)
        try:
            ledger, verification, send = begin(self.ledger, self.clock(), POLICIES[policy], opening, code_of)
        except (LimitReached, InvalidInput, OtpError):
            return
        self._keep(ledger)
        self.messages.append(Sent(send, verification.id, code_of(verification)))

    @precondition(lambda self: any(m.state == "pending" for m in self.messages))
    @rule(
        data=st.data(),
        answer=st.sampled_from([SENT, UNKNOWN, *(refused(reason) for reason in Reason)]),
        hand_on=st.booleans(),
    )
    def hear(self, data: st.DataObject, answer: object, hand_on: bool) -> None:
        message = data.draw(st.sampled_from([m for m in self.messages if m.state == "pending"]))
        found = self.ledger.by_send(message.send.id)
        following = None
        if hand_on and found and answer.outcome == Outcome.REFUSED:  # type: ignore[attr-defined]
            verification, send = found
            if verification.is_pending(self.clock()) and send.generation == verification.generation:
                following = Send(f"VL{len(self.messages):032x}", "b", self.clock.wall)
        self._keep(settle(self.ledger, self.clock(), message.send.id, answer, following))  # type: ignore[arg-type]
        message.state = str(answer.outcome)  # type: ignore[attr-defined]
        if following:
            self.messages.append(Sent(following, message.verification, message.code))

    @precondition(lambda self: self.ledger.verifications)
    @rule(data=st.data(), policy=st.sampled_from(sorted(POLICIES)), wrongs=st.sampled_from([0, 1, 3, 5]))
    def guess(self, data: st.DataObject, policy: str, wrongs: int) -> None:
        target = data.draw(st.sampled_from(self.ledger.verifications))
        for _ in range(wrongs or 1):
            now = self.ledger.by_id(target.id) or target
            code = wrong(code_of(now)) if wrongs else code_of(now)
            ledger, verdict = check(self.ledger, self.clock(), POLICIES[policy], now, code, code_of)
            assert not (verdict.approved and target.id in self.ended)
            self._keep(ledger or self.ledger)
        self._note_end(target.id)

    @precondition(lambda self: any(self.ledger.pending(self.clock())))
    @rule(data=st.data(), end=st.sampled_from([cancel, approve]))
    def end(self, data: st.DataObject, end: object) -> None:
        target = data.draw(st.sampled_from(list(self.ledger.pending(self.clock()))))
        self._keep(end(self.ledger, self.clock(), NATIVE, target)[0])  # type: ignore[operator]
        self._note_end(target.id)

    @rule(seconds=st.sampled_from([1.0, 31.0, 301.0]))
    def wait(self, seconds: float) -> None:
        self.clock.forward(seconds)

    def _keep(self, ledger: Ledger) -> None:
        self.ledger = decode(encode(ledger))

    def _note_end(self, verification_id: str) -> None:
        found = self.ledger.by_id(verification_id)
        if found and found.status != Status.PENDING:
            self.ended[found.id] = found.status

    @invariant()
    def one_pending_verification_a_purpose(self) -> None:
        purposes = [v.purpose for v in self.ledger.pending(self.clock())]
        assert len(purposes) == len(set(purposes))

    @invariant()
    def what_ended_stays_ended(self) -> None:
        assert not {v.id for v in self.ledger.pending(self.clock())} & self.ended.keys()

    @invariant()
    def the_code_sent_last_is_the_one_accepted(self) -> None:
        for verification in self.ledger.pending(self.clock()):
            arrived = [m for m in self.messages if m.verification == verification.id and m.state != Outcome.REFUSED]
            if arrived:
                assert code_of(verification) == arrived[-1].code

    @invariant()
    def counts_are_true_and_caps_hold(self) -> None:
        ledger, wall = self.ledger, self.clock.wall
        assert min(ledger.streak, ledger.deaths) >= 0
        assert all(0 <= v.attempts <= NATIVE.max_attempts and v.messages >= 0 for v in ledger.verifications)
        recent = [m for m in self.messages if m.state != Outcome.REFUSED and wall - m.send.at < HOUR]
        assert len(recent) <= OFTEN.sends_per_hour

    @invariant()
    def spent_and_pending_risk_stay_within_the_bound(self) -> None:
        assert risk_spent(self.ledger) + risk_at_stake(self.ledger, self.clock(), NATIVE) <= MOST_RISK


TestInterleaved = Interleaved.TestCase
TestInterleaved.settings = settings(
    max_examples=100, stateful_step_count=30, derandomize=True, database=None, deadline=None
)
