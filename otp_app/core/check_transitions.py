"""What attempts and callers do to a ledger: check, cancel, approve. Pure functions, as those of send_transitions.py."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from otp_app.core.codes import matches
from otp_app.core.delivery import Finding, Outcome
from otp_app.core.errors import NotPending, VerificationNotFound
from otp_app.core.events import Approval, Checked, Event, NotChecked
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Status, Verification
from otp_app.core.limits import add_risk, attempt_weight
from otp_app.core.policy import DAY, Policy
from otp_app.core.results import VerificationView
from otp_app.core.upkeep import pruned

CodeOf = Callable[[Verification], str]
End = Callable[[Ledger, Instant, Policy, Verification], tuple[Ledger, Verification]]


class Verdict(Struct, frozen=True):
    """The answer to one attempt."""

    status: Status | None = None  # None: there is nothing to check for this number, purpose or id
    before: VerificationView | None = None  # the verification as it was before the attempt
    attempts_left: int = 0
    counted: bool = False  # the code was compared
    recorded: bool = False  # ... and the ledger has changed by it: not where an approved code is accepted again
    end_reported: bool = False  # an earlier check has reported this end already
    approval: Approval | None = None  # what the accepted attempt has proved
    undecided: bool = False  # the attempt is spent, and the provider that made the code is still to be asked

    @property
    def approved(self) -> bool:
        """Whether this attempt, and no other, is the accepted one."""
        return self.approval is not None

    @property
    def verification_id(self) -> str:
        """The id of the verification, "" where there is none."""
        return self.before.verification.id if self.before else ""


def check(
    ledger: Ledger, now: Instant, policy: Policy, target: Verification, attempt: str, code_of: CodeOf
) -> tuple[Ledger | None, Verdict]:
    """Check one attempt at a verification of this ledger. The ledger is None where nothing changes.

    Counting, comparing and consuming are one transition, so one swap: of parallel right attempts one is accepted, of
    parallel wrong ones at most `max_attempts` are compared. Where `code_of` raises, no attempt is spent. What a message
    to us has to prove, no code can.
    """
    if target.inbound:
        return None, Verdict()
    provider = target.provider if target.made else ""
    if provider:
        policy = policy.within(target.attempts_allowed)
    again = target.status == Status.APPROVED and not policy.once_only and not provider and not ledger.blocked
    if again and not target.code_left(now):
        return _ended_before(ledger, now, policy, target, Status.EXPIRED)
    if not again and not target.is_pending(now):
        return _ended_before(ledger, now, policy, target, target.status_at(now))
    if target.attempts >= policy.allowed_attempts:  # for this API it has ended
        return _ended_before(ledger, now, policy, target, Status.MAX_ATTEMPTS_REACHED)
    if provider:
        return _spent(ledger, now, policy, target)
    if not matches(attempt, code_of(target)):
        return _wrong(ledger, now, policy, target)
    return (None, _accepted(ledger, now, policy, target)) if again else _approved(ledger, now, policy, target)


def event_of(verdict: Verdict) -> Event | None:
    """Return what listeners are told of an attempt; nothing of one at a code that was approved before."""
    view = verdict.before
    subject = (view.verification.id, view.to, view.verification.purpose) if view else ("", "", "")
    if not verdict.counted:
        return NotChecked(*subject)
    return Checked(*subject, str(verdict.status)) if verdict.recorded else None


def conclude(
    ledger: Ledger, now: Instant, policy: Policy, asked: Verification, finding: Finding
) -> tuple[Ledger | None, Verdict]:
    """Note what the provider said of an attempt that `check` has spent on the verification `asked`.

    Only a right code of a verification that is pending now, and has no other code since, is accepted.
    """
    target = ledger.by_id(asked.id)
    if target is None:
        return None, Verdict()
    policy, same_code = policy.within(target.attempts_allowed), target.generation == asked.generation
    if finding == Finding.NOT_ASKED:
        return _unspent(ledger, now, target, asked)[0], Verdict()
    if not target.is_pending(now):
        return _ended_before(ledger, now, policy, target, target.status_at(now))
    if finding == Finding.RIGHT and same_code:
        unspent, target = _unspent(ledger, now, target, asked)
        return _approved(unspent, now, policy, target)
    used_up = finding == Finding.SPENT or target.attempts >= policy.max_attempts
    if used_up and same_code and finding != Finding.GONE:  # where it is gone, a right attempt may be on its way back
        ledger, target = exhausted(ledger, now, target)
    before, left = _view(ledger, now, policy, asked), policy.attempts_left(target.attempts)
    return ledger, Verdict(target.status, before, left, counted=True, recorded=True)


def cancel(ledger: Ledger, now: Instant, policy: Policy, verification: Verification) -> tuple[Ledger, Verification]:
    """End a pending verification. Raises NotPending."""
    ended = _ended(now, verification, Status.CANCELED)
    return pruned(ledger.with_verification(ended), now, policy), ended


def approve(ledger: Ledger, now: Instant, policy: Policy, verification: Verification) -> tuple[Ledger, Verification]:
    """End a pending verification as approved because its caller says so, without an attempt. Raises NotPending, and
    VerificationNotFound where its holder is to write to us: only that shows the number.
    """  # fmt: skip
    if verification.inbound:
        raise VerificationNotFound("No code was sent for this verification")
    ended = _ended(now, verification, Status.APPROVED)
    return pruned(_reset_backoff(ledger.with_verification(ended)), now, policy), ended


def approval(phone: str, verification: Verification, at: float) -> Approval:
    """Return what an approval at `at` (wall clock, seconds) has proved."""
    channel = next((s.channel for s in reversed(verification.sends) if s.state != Outcome.REFUSED), "")
    return Approval(phone, verification.purpose, verification.id, channel, at)


def exhausted(ledger: Ledger, now: Instant, verification: Verification) -> tuple[Ledger, Verification]:
    """End a verification by its wrong attempts."""
    ended = replace(verification, status=Status.MAX_ATTEMPTS_REACHED, ended_at=now.wall)
    return ledger.with_verification(ended, exhaustions=ledger.exhaustions + 1, exhausted_at=now.wall), ended


def _ended(now: Instant, verification: Verification, status: Status) -> Verification:
    if not verification.is_pending(now):
        raise NotPending("The verification has already ended")
    return replace(verification, status=status, ended_at=now.wall)


def _ended_before(
    ledger: Ledger, now: Instant, policy: Policy, target: Verification, status: Status
) -> tuple[Ledger | None, Verdict]:
    verdict = Verdict(status, _view(ledger, now, policy, target), end_reported=target.end_reported)
    if target.end_reported or not policy.report_end_once:
        return None, verdict
    return ledger.with_verification(replace(target, end_reported=True)), verdict


def _approved(ledger: Ledger, now: Instant, policy: Policy, target: Verification) -> tuple[Ledger, Verdict]:
    verdict = _accepted(ledger, now, policy, target, recorded=True)
    ended = replace(target, status=Status.APPROVED, ended_at=now.wall, again=not policy.once_only)
    ledger = _reset_backoff(ledger.with_verification(ended))
    if target.attempts and len(ledger.given_back) < policy.give_back_limit:
        ledger = add_risk(ledger, now, -attempt_weight(target.longest))
        ledger = replace(ledger, given_back=(*ledger.given_back, int(now.wall // DAY)))
    return ledger, verdict


def _accepted(
    ledger: Ledger, now: Instant, policy: Policy, target: Verification, *, recorded: bool = False
) -> Verdict:
    proved, left = approval(ledger.phone, target, now.wall), policy.attempts_left(target.attempts)
    before = _view(ledger, now, policy, target)
    return Verdict(Status.APPROVED, before, left, counted=True, recorded=recorded, approval=proved)


def _spent(ledger: Ledger, now: Instant, policy: Policy, target: Verification) -> tuple[Ledger, Verdict]:
    """Spend an attempt before the provider is asked: what happens then cannot make attempts free."""
    spent = replace(target, attempts=target.attempts + 1)
    ledger = add_risk(ledger.with_verification(spent), now, attempt_weight(target.digits))
    return ledger, Verdict(Status.PENDING, _view(ledger, now, policy, target), undecided=True)


def _unspent(
    ledger: Ledger, now: Instant, target: Verification, asked: Verification
) -> tuple[Ledger, Verification]:
    """Take back what `_spent` has counted at the code that `asked` had; the present one may be of another length."""
    target = replace(target, attempts=max(target.attempts - 1, 0))
    return add_risk(ledger.with_verification(target), now, -attempt_weight(asked.digits)), target


def _wrong(ledger: Ledger, now: Instant, policy: Policy, target: Verification) -> tuple[Ledger, Verdict]:
    before, status = _view(ledger, now, policy, target), Status.PENDING
    target = replace(target, attempts=target.attempts + 1)
    ledger = add_risk(ledger.with_verification(target), now, attempt_weight(target.digits))
    # An approved verification stays approved: the answer to another wrong attempt is all that follows.
    if target.attempts >= policy.max_attempts and target.status == Status.PENDING:
        ledger, target = exhausted(ledger, now, target)
        status = target.status
    left = policy.attempts_left(target.attempts)
    return ledger, Verdict(status, before, left, counted=True, recorded=True)


def _view(ledger: Ledger, now: Instant, policy: Policy, target: Verification) -> VerificationView:
    return VerificationView(target, ledger.phone, now, policy)


def _reset_backoff(ledger: Ledger) -> Ledger:
    """The person has the phone: gaps and cool-downs begin anew."""
    return replace(ledger, streak=min(ledger.streak, 1), exhaustions=0)
