"""Codes that a provider checks: whatever comes in whatever order, and a year of attempts."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from otp_app.core.check_transitions import Verdict, approve, cancel, check, conclude
from otp_app.core.delivery import Delivery, Finding, Outcome
from otp_app.core.errors import LimitReached, OtpError
from otp_app.core.ledger import Ledger, Send, Verification
from otp_app.core.ledger_json import decode, encode
from otp_app.core.limits import risk_at_stake, risk_spent
from otp_app.core.policy import DAY, Policy
from otp_app.core.send_transitions import SendPlan, begin, next_channel, settle
from tests.core.fakes import PHONE, SENT, UNKNOWN, FakeClock, refused, wrong
from tests.core.interleaved import code_of
from tests.core.upstream import MAKER, Upstream
from tests.rounds import rounds

WALKS = rounds(60, 1000)
MAKERS = {"sms": MAKER}
SLOW = 250_000  # from here on the provider's codes have one attempt
#: what may be spent and at stake: the line of this server's own codes, which is above that of the provider's, the code
#: that crosses it, and one attempt of each day of the walk
MOST_RISK = 400_000 + 50_000 + 10_000 * 4
POLICIES = [
    Policy(gaps=(), sends_per_hour=20, sends_per_day=30),
    Policy(gaps=(), sends_per_hour=20, sends_per_day=30, api_attempts=3, report_end_once=True),
    Policy(gaps=(), ttl=600.0, sends_per_hour=20, sends_per_day=30, once_only=False, reused=True),
]


@dataclass
class Question:
    """An attempt that is spent here, and what the provider has found, where it was asked already."""

    asked: Verification
    attempt: str
    finding: Finding | None = None


class Walk:
    """One number, whose messages and checks get their answers late, twice looked at or never."""

    def __init__(self, seed: int) -> None:
        self.luck, self.clock, self.ledger = random.Random(seed), FakeClock(), Ledger(PHONE)
        self.upstream, self.sends, self.questions = Upstream(self.clock), list[Send](), list[Question]()
        self.approved, self.compared = list[str](), dict[str, int]()
        self.policy = self.luck.choice(POLICIES)

    def run(self) -> None:
        steps = [self.send, self.hear, self.attempt, self.ask, self.answer] * 2 + [self.wait, self.end]
        for _ in range(60):
            self.luck.choice(steps)()
            self.holds()

    # ---- steps

    def send(self) -> None:
        channels, n = self.luck.choice([("sms", "own"), ("own", "sms"), ("sms",)]), f"{len(self.sends):032x}"
        purpose = self.luck.choice(["login", "login", "pay"])
        plan = SendPlan(purpose, channels, True, "VE" + n, "VL" + n, "k1", makers=MAKERS)
        before = self.risk()
        try:
            ledger, target, send, *_ = begin(self.ledger, self.clock(), self.policy, plan, code_of)
        except OtpError:
            return
        assert send.channel == "own" or before < SLOW or target.attempts_allowed == 1
        self.sends.append(send)
        self.keep(ledger)

    def hear(self) -> None:
        """A channel answers for a message, which may be handed on."""
        pending = [s for s in self.sends if (found := self.ledger.by_send(s.id)) and found[1].state == "pending"]
        if not pending:
            return
        send, now = self.luck.choice(pending), self.clock()
        answer = self.luck.choice([SENT, SENT, UNKNOWN, refused()])
        if answer.outcome == Outcome.REFUSED:
            other = "own" if send.channel == "sms" else "sms"
            channel = next_channel(self.ledger, now, self.policy, send.id, [other], MAKERS)
            following = Send(f"VL{len(self.sends):032x}", channel, now.wall) if channel else None
            maker = MAKERS.get(channel or "")
            self.keep(settle(self.ledger, now, send.id, answer, following, maker))
            self.sends += [following] if following else []
            return
        held = self.upstream.start(PHONE) if send.channel == "sms" else None
        self.keep(settle(self.ledger, now, send.id, replace(answer, provider_id=held.id if held else "")))

    def attempt(self) -> None:
        """Check a code, right or wrong; at the provider it is asked about later."""
        if not self.ledger.verifications:
            return
        target, held = self.luck.choice(self.ledger.verifications), self.upstream.find(PHONE)
        right = held.code if target.provider and held else code_of(target)
        attempt = self.luck.choice([right, wrong(right)])
        ledger, verdict = check(self.ledger, self.clock(), self.policy, target, attempt, code_of)
        if verdict.undecided:
            self.questions.append(Question(target, attempt))
        self.note(target.id, ledger, verdict)

    def ask(self) -> None:
        """The provider looks, or never hears of it."""
        for question in self.some([q for q in self.questions if q.finding is None]):
            made = question.asked.made_now
            name = made.id if made and made.id else PHONE
            found = Finding.NOT_ASKED if self.luck.random() < 0.2 else self.upstream.check(name, question.attempt)
            question.finding = found
            looked = found in (Finding.RIGHT, Finding.WRONG)
            self.compared[question.asked.id] = self.compared.get(question.asked.id, 0) + looked

    def answer(self) -> None:
        """Its answer arrives, or is lost on the way."""
        for question in self.some([q for q in self.questions if q.finding]):
            self.questions.remove(question)
            lost = question.finding != Finding.NOT_ASKED and self.luck.random() < 0.2
            finding = Finding.UNKNOWN if lost else question.finding
            assert finding
            before = self.ledger.by_id(question.asked.id)
            ledger, verdict = conclude(self.ledger, self.clock(), self.policy, question.asked, finding)
            if verdict.approved:
                assert finding == Finding.RIGHT
                assert before
                assert before.is_pending(self.clock())
                assert before.generation == question.asked.generation
            self.note(question.asked.id, ledger, verdict)

    def wait(self) -> None:
        self.clock.forward(self.luck.choice([1.0, 61.0, 301.0, DAY / 4]))

    def end(self) -> None:
        for target in self.some(list(self.ledger.pending(self.clock()))):
            self.keep(self.luck.choice([cancel, approve])(self.ledger, self.clock(), self.policy, target)[0])
            self.upstream.end(PHONE, "canceled")

    # ---- what must hold

    def holds(self) -> None:
        now = self.clock()
        pending = list(self.ledger.pending(now))
        assert len({v.purpose for v in pending}) == len(pending)
        assert sum(v.provider == MAKER.provider for v in pending) <= 1
        assert all(0 <= v.attempts <= 5 for v in self.ledger.verifications)
        assert all(count <= 5 for count in self.compared.values())
        assert len(self.approved) == len(set(self.approved))
        assert self.risk() <= MOST_RISK

    def risk(self) -> int:
        return risk_spent(self.ledger) + risk_at_stake(self.ledger, self.clock(), self.policy)

    def note(self, verification_id: str, ledger: Ledger | None, verdict: Verdict) -> None:
        if verdict.approved and verdict.recorded:
            self.approved.append(verification_id)
        self.keep(ledger or self.ledger)

    def keep(self, ledger: Ledger) -> None:
        self.ledger = decode(encode(ledger))

    def some(self, all_: list) -> list:  # type: ignore[type-arg]
        return [self.luck.choice(all_)] if all_ else []


@pytest.mark.parametrize("part", range(4))
def test_late_answers_keep_to_the_rules(part: int) -> None:
    for seed in range(part * WALKS, (part + 1) * WALKS):
        try:
            Walk(seed).run()
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise


@pytest.mark.slow
@pytest.mark.parametrize(("pause", "least"), [(0, 3e-4), (24 * 29, 1.8e-4)])
def test_a_year_of_guessing_stays_below_one_in_a_thousand(pause: int, least: float) -> None:
    """Every message that the rules allow, and all attempts at each, with hours of rest after each burst."""
    clock, ledger, policy, attempts, rest = FakeClock(), Ledger(PHONE), Policy(), 0, 0
    for hour in range(365 * 24):
        clock.forward(3600)
        rest -= 1
        plan = SendPlan("login", ["sms"], True, f"VE{hour:032x}", f"VL{hour:032x}", "k1", makers=MAKERS)
        try:
            ledger, target, send, *_ = begin(ledger, clock(), policy, plan, code_of) if rest < 0 else _none()
        except LimitReached as limit:
            rest = pause if limit.quota == 1 and rest < 0 else rest
            continue
        ledger = settle(ledger, clock(), send.id, Delivery(Outcome.SENT, "VE"))
        while (target := ledger.by_id(target.id)) and target.is_pending(clock()):  # type: ignore[assignment]
            ledger, verdict = check(ledger, clock(), policy, target, "000000", code_of)  # type: ignore[assignment]
            attempts += verdict.undecided
            ledger, _ = conclude(ledger, clock(), policy, target, Finding.WRONG)  # type: ignore[assignment]
    assert least < attempts * 1e-6 < 9.1e-4


def _none() -> tuple[Ledger, Verification, Send, str]:
    raise LimitReached("resting", 0, 0, 0)
