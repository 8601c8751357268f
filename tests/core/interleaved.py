"""One number under several APIs and servers, whose sends get their outcomes at any time or never: a search for orders.

The model beside the ledger knows true time, each message's end, and what was answered of every verification; it repeats
no rule, but says what must hold of the ledger whatever came before.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from otp_app.core import check_transitions
from otp_app.core.codes import shift_code
from otp_app.core.delivery import Delivery, Outcome, Reason
from otp_app.core.errors import OtpError
from otp_app.core.instant import Instant
from otp_app.core.ledger import BACKWARDS, Ledger, Send, Status, Verification
from otp_app.core.ledger_json import decode, encode
from otp_app.core.limits import risk_at_stake, risk_spent
from otp_app.core.policy import DAY, HOUR, Policy
from otp_app.core.receipts import DEAD, Receipt, receive
from otp_app.core.receipts import Status as ReceiptStatus
from otp_app.core.refusals import GAP_KEPT, SLOT_KEPT
from otp_app.core.send_transitions import SendPlan, begin, next_channel, settle
from otp_app.core.upkeep import corrected
from tests.core.fakes import PHONE, SENT, UNKNOWN, FakeClock, refused, wrong

#: Fewer gaps and more sends than the default: a search finds more where each step may be a send.
OFTEN = Policy(gaps=(), sends_per_hour=20, sends_per_day=30, reused=True)  # the phone API may accept codes again
VERIFY = replace(OFTEN, ttl=600.0, api_attempts=5, sends_per_verification=5)
POLICIES = {
    "native": replace(OFTEN, gaps=(30.0, 60.0)),
    "users": replace(OFTEN, api_attempts=3, report_end_once=True),
    "phone": replace(OFTEN, ttl=600.0, once_only=False),
    "new codes": replace(OFTEN, new_code_on_resend=True),
    "verify": VERIFY,
    "verify, four digits": replace(VERIFY, length=4),
    "fewer an hour": replace(OFTEN, sends_per_hour=4, sends_per_day=5, keyed_reserve=1),
    "fewest": replace(OFTEN, sends_per_hour=2, sends_per_day=2, keyed_reserve=0),
}
#: What docs/limits.md says of spent and pending risk together, in 1e-10: the line, one code of four digits, long ones.
MOST_RISK = 400_000 + 5 * 1_000_000 + 50_000

Chosen = TypeVar("Chosen")
Steps = list[tuple[str, dict[str, Any]]]

REFUSALS = [refused(reason) for reason in (Reason.UNREACHABLE, Reason.UNREACHABLE, Reason.BAD_NUMBER, *Reason)]


def walk(seed: int, *, clocks: bool) -> Steps:
    """Return steps in an order of its own. Each has few APIs and answers, or those that matter together seldom meet."""
    luck = random.Random(seed)
    policies, answers = luck.sample(sorted(POLICIES), 2), luck.choices(REFUSALS, k=2)
    code, replace_code = luck.choice(["", "4321", "4321", "7654321", "87654321"]), luck.choice([[True], [True, False]])
    choices: dict[str, dict[str, Sequence[Any]]] = {
        "send": {
            "policy": policies,
            "purpose": ["login", "login", "pay"],
            "code": ["", code],
            "replace_code": replace_code,
            "authenticated": [True, False],
            "answer": [None, SENT, *answers],
        },
        "hear": {"which": range(4), "answer": [SENT, UNKNOWN, *answers, *answers], "hand_on": [True, False]},
        "report": {"which": range(4), "status": [*ReceiptStatus]},
        "attempt": {"which": range(4), "policy": policies, "wrongs": [0, 1, 3, 5]},
        "end": {"which": range(4), "policy": policies, "end": [check_transitions.cancel, check_transitions.approve]},
        "wait": {"seconds": [1.0, 31.0, 301.0, HOUR / 2]},
        "set_clock": {"step": [-2 * HOUR, -40.0, 40.0, 2 * HOUR]},
        "reboot": {"step": [-2 * HOUR, -40.0, 0.0, 40.0, 2 * HOUR]},
    }
    names = ["send", "send", "send", "hear", "hear", "report", "attempt", "end", "wait"]
    names += ["set_clock", "reboot"] * clocks
    taken = luck.choices(names, k=25)
    return [(name, {choice: luck.choice(some) for choice, some in choices[name].items()}) for name in taken]


def code_of(verification: Verification) -> str:
    """A code of each verification's and generation's own, or the chosen one."""
    what = f"{verification.id} {verification.generation} {verification.digits}"
    derived = int(hashlib.sha256(what.encode()).hexdigest(), 16) % 10**verification.digits
    return shift_code(f"{derived:0{verification.digits}d}", verification.code_offset)


def _nth_last(some: Sequence[Chosen], which: int) -> Sequence[Chosen]:
    """One of them, counted from the latest, to which most happens; none where there is none."""
    return [some[-1 - which % len(some)]] if some else []


@dataclass
class Sent:
    """One message as the provider saw it."""

    send: Send
    verification: str
    code: str
    at: float  # true time
    ahead: float  # by how much its stamp is ahead of true time
    state: str = "pending"
    slot: bool = True  # it counts for the caps
    gap: bool = True  # the gap runs from it


class Interleaved:
    """Sends, late outcomes, choices, attempts, ends and clocks in any order."""

    def __init__(self) -> None:
        self.clock, self.ledger, self.time = FakeClock(), Ledger(PHONE), 0.0
        self.messages: list[Sent] = []
        self.ended: dict[str, str] = {}  # by callers and attempts; these must stay as they ended

    # ---- calls

    def send(
        self, policy: str, purpose: str, code: str, replace_code: bool, authenticated: bool, answer: Delivery | None
    ) -> None:
        """Begin a send under one API's figures; without an answer the outcome comes later, or never."""
        now, n = self._now(), f"{len(self.messages):032x}"
        channels, ids = ("a", "b"), ("VE" + n, "VL" + n)
        plan = SendPlan(purpose, channels, authenticated, *ids, "k1", code=code, replace_code=replace_code)
        try:
            ledger, verification, send, *_ = begin(self.ledger, now, POLICIES[policy], plan, code_of)
        except OtpError:
            return
        self._gap_and_caps_held(POLICIES[policy], authenticated)
        self._keep(ledger)
        self.messages.append(Sent(send, verification.id, code_of(verification), self.time, self._offset))
        if answer:
            self._settle(self.messages[-1], answer, hand_on=False)

    def hear(self, which: int, answer: Delivery, hand_on: bool) -> None:
        """The provider answers for a message that was on its way."""
        for message in _nth_last([m for m in self.messages if m.state == "pending"], which):
            self._settle(message, answer, hand_on)

    def report(self, which: int, status: ReceiptStatus) -> None:
        """The provider reports of a message that left, or may have: that changes no count, and no code."""
        for message in _nth_last([m for m in self.messages if m.state != Outcome.REFUSED], which):
            now, provider_id = self._now(), SENT.provider_id
            receipt = Receipt(message.verification, message.send.id, provider_id, status)
            self._keep(receive(self.ledger, now, receipt) or self.ledger)
            if message.state == "pending" and status not in DEAD:
                message.state = str(Outcome.SENT)
            self._what_ended_is_as_it_ended()

    def attempt(self, which: int, policy: str, wrongs: int) -> None:
        """Check the right code once, or wrong ones so often."""
        for chosen in _nth_last(self.ledger.verifications, which):
            for _ in range(wrongs or 1):
                self._attempt(chosen.id, POLICIES[policy], right=not wrongs)
            self._note_end(chosen.id)

    def _attempt(self, target: str, policy: Policy, right: bool) -> None:
        now, found = self._now(), self.ledger.by_id(target)
        if found is None:
            return
        code = code_of(found) if right else wrong(code_of(found))
        ledger, verdict = check_transitions.check(self.ledger, now, policy, found, code, code_of)
        used_up = policy.once_only or self.ended.get(target) != Status.APPROVED
        assert not (verdict.approved and target in self.ended and used_up)
        if verdict.counted and found.replaces:  # the one before is not pending again, whatever is heard later
            self.ended.setdefault(found.replaces, Status.MAX_ATTEMPTS_REACHED)
        self._keep(ledger or self.ledger)

    def end(self, which: int, policy: str, end: check_transitions.End) -> None:
        """End a pending verification without an attempt."""
        now = self._now()
        for target in _nth_last(self._pending(), which):
            self._keep(end(self.ledger, now, POLICIES[policy], target)[0])
            self._note_end(target.id)

    # ---- time

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.time += seconds
        self.clock.forward(seconds)

    def set_clock(self, step: float) -> None:
        """Put the clock back or forward."""
        self.clock.set(step)

    def reboot(self, step: float) -> None:
        """Begin another boot, perhaps with another clock."""
        self.time += 1.0
        self.clock.reboot(1.0)
        self.clock.set(step)

    # ---- what must hold

    def run(self, steps: Steps) -> None:
        """Take the steps, and look after each whether everything holds."""
        for name, choices in steps:
            getattr(self, name)(**choices)
            self.one_pending_verification_a_purpose()
            self.the_code_sent_last_is_the_one_accepted()
            self.counts_are_true()
            self.spent_and_pending_risk_stay_within_the_bound()

    def one_pending_verification_a_purpose(self) -> None:
        purposes = [v.purpose for v in self._pending()]
        assert len(purposes) == len(set(purposes))

    def the_code_sent_last_is_the_one_accepted(self) -> None:
        for verification in self._pending():
            arrived = [m for m in self.messages if m.verification == verification.id and m.state != Outcome.REFUSED]
            assert not arrived or code_of(verification) == arrived[-1].code

    def counts_are_true(self) -> None:
        ledger = self.ledger
        assert min(ledger.streak, ledger.exhaustions) >= 0
        assert all(0 <= v.attempts <= Policy().max_attempts and v.messages >= 0 for v in ledger.verifications)

    def spent_and_pending_risk_stay_within_the_bound(self) -> None:
        ledger = corrected(self.ledger, self.clock())
        assert risk_spent(ledger) + risk_at_stake(ledger, self.clock(), OFTEN) <= MOST_RISK

    def _gap_and_caps_held(self, policy: Policy, authenticated: bool) -> None:
        """A send that was allowed comes after the gap, and within the caps with those before it.

        Messages whose stamp is behind the clock of now do not count: it is another boot's, whose clock was behind.
        """
        known = [m for m in self.messages if m.ahead >= self._offset - BACKWARDS]
        assert not policy.gaps or all(self.time - m.at >= policy.gaps[0] - BACKWARDS for m in known if m.gap)
        day = policy.sends_per_day + policy.keyed_reserve * authenticated
        for quota, window in ((policy.sends_per_hour, HOUR), (day, DAY)):
            assert sum(m.slot and self.time - m.at < window - BACKWARDS for m in known) < quota

    # ---- how it is done

    @property
    def _offset(self) -> float:
        return self.clock.wall - self.time

    def _pending(self) -> list[Verification]:
        return list(corrected(self.ledger, self.clock()).pending(self.clock()))

    def _now(self) -> Instant:
        """Return the time, with the ledger's stamps as it reads them; the model's move by what the clock was set."""
        now, seen = self.clock(), self.ledger.seen
        if seen and seen.boot == now.boot:
            shift = (now.wall - seen.wall) - (now.uptime - seen.uptime)
            for message in self.messages:
                message.ahead += shift if abs(shift) > BACKWARDS else 0.0
        self._keep(corrected(self.ledger, now))
        return now

    def _keep(self, ledger: Ledger) -> None:
        self.ledger = decode(encode(ledger.seen_at(self.clock())))

    def _settle(self, message: Sent, answer: Delivery, hand_on: bool) -> None:
        now, following = self._now(), None
        before = self.ledger.by_send(message.send.id)
        attempted = bool(before and before[0].attempts)
        channel = next_channel(self.ledger, now, OFTEN, message.send.id, ["b"], {})
        if hand_on and answer.outcome == Outcome.REFUSED and message.send.channel == "a" and channel:
            following = Send(f"VL{len(self.messages):032x}", channel, now.wall)
        over = {v.id for v in self.ledger.verifications if v.status != Status.PENDING}
        settled = settle(self.ledger, now, message.send.id, answer, following)
        assert over <= {v.id for v in settled.verifications}
        self._keep(settled)
        message.state = str(answer.outcome)
        if following:
            assert message.verification not in self.ended
            self.messages.append(Sent(following, message.verification, message.code, self.time, self._offset))
        if before and answer.outcome == Outcome.REFUSED:
            message.slot = not following and (attempted or answer.reason in SLOT_KEPT)
            message.gap = not following and (attempted or answer.reason in GAP_KEPT)
        self._what_ended_is_as_it_ended()

    def _note_end(self, verification_id: str) -> None:
        found = self.ledger.by_id(verification_id)
        if found and found.status != Status.PENDING:
            self.ended.setdefault(found.id, found.status)
        self._what_ended_is_as_it_ended()

    def _what_ended_is_as_it_ended(self) -> None:
        for verification in self.ledger.verifications:
            assert self.ended.get(verification.id, verification.status) == verification.status
