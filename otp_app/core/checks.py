"""What guesses and callers do to a ledger: check, cancel, approve. Pure functions, as those of transitions.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from otp_app.core.allowance import add_risk, guess_weight, pruned
from otp_app.core.codes import matches
from otp_app.core.errors import NotPending, VerificationNotFound
from otp_app.core.interfaces import Approval, Instant, Outcome
from otp_app.core.ledger import Ledger, Status, Verification
from otp_app.core.policy import DAY, Policy

CodeOf = Callable[[Verification], str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one guess."""

    status: Status | None  # None: there is nothing to check for this number, purpose or id
    verification_id: str = ""
    attempts_left: int = 0
    counted: bool = False  # the guess was looked at
    told: bool = False  # an earlier check was told of this end already
    approval: Approval | None = None  # what the accepted guess has shown

    @property
    def approved(self) -> bool:
        """Whether this guess, and no other, is the accepted one."""
        return self.approval is not None


def check(
    ledger: Ledger,
    now: Instant,
    policy: Policy,
    target: Verification | None,
    guess: str,
    code_of: CodeOf,
) -> tuple[Ledger | None, Verdict]:
    """Look at one guess for a verification of this ledger. The ledger is None where nothing changes.

    Counting, comparing and consuming are one transition, so one swap: of parallel right guesses one is accepted, of
    parallel wrong ones at most `max_attempts` are looked at. Whatever `code_of` raises, no try was spent.
    """
    if target is None:
        return None, Verdict(None)
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


def cancel(ledger: Ledger, now: Instant, policy: Policy, verification_id: str) -> tuple[Ledger, Verification]:
    """End a pending verification. Raises VerificationNotFound or NotPending."""
    over = _ended(ledger, now, verification_id, Status.CANCELED)
    return pruned(ledger.with_verification(over), now, policy), over


def approve(
    ledger: Ledger, now: Instant, policy: Policy, verification_id: str
) -> tuple[Ledger, Verification, Approval]:
    """End a pending verification as its caller vouches, without a guess. Raises VerificationNotFound or NotPending."""
    over = _ended(ledger, now, verification_id, Status.APPROVED)
    return pruned(_calmed(ledger.with_verification(over)), now, policy), over, _approval(ledger, now, over)


def _ended(ledger: Ledger, now: Instant, verification_id: str, status: Status) -> Verification:
    verification = ledger.by_id(verification_id)
    if verification is None:
        raise VerificationNotFound("No such verification")
    if not verification.is_pending(now):
        raise NotPending("The verification is over already")
    return replace(verification, status=status, over=now.wall)


def _over(ledger: Ledger, policy: Policy, target: Verification, status: Status) -> tuple[Ledger | None, Verdict]:
    verdict = Verdict(status, target.id, told=target.told)
    if target.told or not policy.tells_end_once:
        return None, verdict
    return ledger.with_verification(replace(target, told=True)), verdict


def _approved(ledger: Ledger, now: Instant, policy: Policy, target: Verification) -> tuple[Ledger, Verdict]:
    over = replace(target, status=Status.APPROVED, over=now.wall)
    verdict = _accepted(ledger, now, policy, target)
    ledger = _calmed(ledger.with_verification(over))
    if target.attempts and len(ledger.given_back) < policy.give_back_limit:
        ledger = add_risk(ledger, now, -guess_weight(target.digits))
        ledger = replace(ledger, given_back=(*ledger.given_back, int(now.wall // DAY)))
    return ledger, verdict


def _accepted(ledger: Ledger, now: Instant, policy: Policy, target: Verification) -> Verdict:
    left, approval = policy.max_attempts - target.attempts, _approval(ledger, now, target)
    return Verdict(Status.APPROVED, target.id, max(left, 0), counted=True, approval=approval)


def _approval(ledger: Ledger, now: Instant, verification: Verification) -> Approval:
    channel = next((s.channel for s in reversed(verification.sends) if s.state != Outcome.REFUSED), "")
    return Approval(ledger.phone, verification.purpose, verification.id, channel, now.wall)


def _calmed(ledger: Ledger) -> Ledger:
    """Somebody proved to have the phone: gaps and cool-downs begin anew."""
    return replace(ledger, streak=min(ledger.streak, 1), deaths=0)


def died(ledger: Ledger, now: Instant, verification: Verification) -> tuple[Ledger, Verification]:
    """Of wrong guesses."""
    dead = replace(verification, status=Status.MAX_ATTEMPTS_REACHED, over=now.wall)
    return ledger.with_verification(dead, deaths=ledger.deaths + 1, died=now.wall), dead


def _wrong(ledger: Ledger, now: Instant, policy: Policy, target: Verification) -> tuple[Ledger, Verdict]:
    tried = replace(target, attempts=target.attempts + 1)
    left = policy.allowed_attempts - tried.attempts
    ledger = ledger.with_verification(tried)
    if tried.attempts >= policy.max_attempts:
        ledger, tried = died(ledger, now, tried)
    ledger = add_risk(ledger, now, guess_weight(target.digits))
    return ledger, Verdict(tried.status, target.id, max(left, 0), counted=True)
