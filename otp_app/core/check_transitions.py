"""What guesses and callers do to a ledger: check, cancel, approve. Pure functions, as those of transitions.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from otp_app.core.codes import matches
from otp_app.core.delivery import Outcome
from otp_app.core.errors import NotPending
from otp_app.core.events import Approval
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Status, Verification
from otp_app.core.policy import DAY, Policy
from otp_app.core.retention import pruned
from otp_app.core.risk import add_risk, guess_weight

CodeOf = Callable[[Verification], str]
End = Callable[[Ledger, Instant, Policy, Verification], tuple[Ledger, Verification]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one guess."""

    status: Status | None  # None: there is nothing to check for this number, purpose or id
    verification_id: str = ""
    attempts_left: int = 0
    counted: bool = False  # the guess was looked at
    end_reported: bool = False  # an earlier check was told of this end already
    approval: Approval | None = None  # what the accepted guess has shown

    @property
    def approved(self) -> bool:
        """Whether this guess, and no other, is the accepted one."""
        return self.approval is not None


def check(
    ledger: Ledger, now: Instant, policy: Policy, target: Verification, guess: str, code_of: CodeOf
) -> tuple[Ledger | None, Verdict]:
    """Look at one guess for a verification of this ledger. The ledger is None where nothing changes.

    Counting, comparing and consuming are one transition, so one swap: of parallel right guesses one is accepted, of
    parallel wrong ones at most `max_attempts` are looked at. Whatever `code_of` raises, no try was spent.
    """
    again = target.status == Status.APPROVED and not policy.once_only
    if again and not target.code_left(now):
        return _over(ledger, policy, target, Status.EXPIRED)
    if not again and not target.is_pending(now):
        return _over(ledger, policy, target, target.status_at(now))
    if target.attempts >= policy.allowed_attempts:  # for this face it is over
        return _over(ledger, policy, target, Status.MAX_ATTEMPTS_REACHED)
    if not matches(guess, code_of(target)):
        return _wrong(ledger, now, policy, target)
    return (None, _accepted(ledger, now, policy, target)) if again else _approved(ledger, now, policy, target)


def cancel(ledger: Ledger, now: Instant, policy: Policy, verification: Verification) -> tuple[Ledger, Verification]:
    """End a pending verification. Raises NotPending."""
    over = _ended(now, verification, Status.CANCELED)
    return pruned(ledger.with_verification(over), now, policy), over


def approve(ledger: Ledger, now: Instant, policy: Policy, verification: Verification) -> tuple[Ledger, Verification]:
    """End a pending verification as its caller vouches, without a guess. Raises NotPending."""
    over = _ended(now, verification, Status.APPROVED)
    return pruned(_reset_backoff(ledger.with_verification(over)), now, policy), over


def approval(phone: str, verification: Verification, at: float) -> Approval:
    """Return what was shown when a verification was approved, `at` seconds by the wall clock."""
    channel = next((s.channel for s in reversed(verification.sends) if s.state != Outcome.REFUSED), "")
    return Approval(phone, verification.purpose, verification.id, channel, at)


def _ended(now: Instant, verification: Verification, status: Status) -> Verification:
    if not verification.is_pending(now):
        raise NotPending("The verification is over already")
    return replace(verification, status=status, ended_at=now.wall)


def _over(ledger: Ledger, policy: Policy, target: Verification, status: Status) -> tuple[Ledger | None, Verdict]:
    verdict = Verdict(status, target.id, end_reported=target.end_reported)
    if target.end_reported or not policy.report_end_once:
        return None, verdict
    return ledger.with_verification(replace(target, end_reported=True)), verdict


def _approved(ledger: Ledger, now: Instant, policy: Policy, target: Verification) -> tuple[Ledger, Verdict]:
    over = replace(target, status=Status.APPROVED, ended_at=now.wall, again=not policy.once_only)
    verdict = _accepted(ledger, now, policy, target)
    ledger = _reset_backoff(ledger.with_verification(over))
    if target.attempts and len(ledger.given_back) < policy.give_back_limit:
        ledger = add_risk(ledger, now, -guess_weight(target.longest))
        ledger = replace(ledger, given_back=(*ledger.given_back, int(now.wall // DAY)))
    return ledger, verdict


def _accepted(ledger: Ledger, now: Instant, policy: Policy, target: Verification) -> Verdict:
    shown, left = approval(ledger.phone, target, now.wall), policy.attempts_left(target.attempts)
    return Verdict(Status.APPROVED, target.id, left, counted=True, approval=shown)


def _reset_backoff(ledger: Ledger) -> Ledger:
    """Somebody proved to have the phone: gaps and cool-downs begin anew."""
    return replace(ledger, streak=min(ledger.streak, 1), exhaustions=0)


def exhausted(ledger: Ledger, now: Instant, verification: Verification) -> tuple[Ledger, Verification]:
    """Of wrong guesses."""
    dead = replace(verification, status=Status.MAX_ATTEMPTS_REACHED, ended_at=now.wall)
    return ledger.with_verification(dead, exhaustions=ledger.exhaustions + 1, exhausted_at=now.wall), dead


def _wrong(ledger: Ledger, now: Instant, policy: Policy, target: Verification) -> tuple[Ledger, Verdict]:
    tried = replace(target, attempts=target.attempts + 1)
    ledger, status = ledger.with_verification(tried), Status.PENDING
    # What was approved stays so: its caller is told of another wrong guess, and that is all.
    if tried.attempts >= policy.max_attempts and target.status == Status.PENDING:
        (ledger, tried), status = exhausted(ledger, now, tried), Status.MAX_ATTEMPTS_REACHED
    ledger = add_risk(ledger, now, guess_weight(target.digits))
    return ledger, Verdict(status, target.id, policy.attempts_left(tried.attempts), counted=True)
