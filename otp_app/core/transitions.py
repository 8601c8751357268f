"""What can happen to a ledger: begin, settle, check, cancel. Pure functions of (ledger, now, policy, …).

Each returns the ledger to store. The service puts it there with one compare-and-swap and starts again from what it
finds when it lost, so every rule here holds whatever runs at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from otp_app.core.allowance import add_risk, code_length, guess_weight, pruned, refuse_send
from otp_app.core.codes import matches
from otp_app.core.errors import DeliveryRefused, NotPending, TooManyPending, VerificationNotFound
from otp_app.core.interfaces import Delivery, Instant, Outcome, Reason
from otp_app.core.ledger import Ledger, Send, Status, Verification
from otp_app.core.policy import DAY, Policy

#: Refusals that are about the number: they keep the gap and are believed for a while, so that asking again
#: makes no provider calls.
ABOUT_THE_NUMBER = {Reason.BAD_NUMBER, Reason.BLOCKED, Reason.SUSPICIOUS, Reason.OPTED_OUT}
#: Refusals that keep the slot in the caps too: whoever causes them should not get more tries, and a message that
#: the provider took and then failed may have cost something.
SLOT_KEPT = {Reason.SUSPICIOUS, Reason.OPTED_OUT, Reason.FAILED}
GAP_KEPT = ABOUT_THE_NUMBER | SLOT_KEPT

LONGEST_PROVIDER_ID = 64  # Twilio's have 34


@dataclass(frozen=True, slots=True)
class Opening:
    """What a caller wants sent."""

    purpose: str
    channels: Sequence[str]  # in the order to try
    keyed: bool  # the caller showed an API key
    verification_id: str  # for the verification, should a new one begin
    send_id: str
    key: str  # id of the code key for a new verification
    test_code: str | None = None  # a test number: this code, no message, no limits of sends


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one guess."""

    status: Status | None  # None: there is nothing to check for this number, purpose or id
    verification_id: str = ""
    attempts_left: int = 0
    counted: bool = False  # the guess was looked at
    told: bool = False  # an earlier check was told of this end already

    @property
    def approved(self) -> bool:
        """Whether this guess, and no other, is the accepted one."""
        return self.counted and self.status == Status.APPROVED


def begin(ledger: Ledger, now: Instant, policy: Policy, opening: Opening) -> tuple[Ledger, Verification, Send]:
    """Count a message and note it as about to be sent, in the pending verification or a new one.

    Raises a LimitReached when the number must wait, DeliveryRefused when every channel refused this number a short
    time ago. A pending verification is never harmed by that.
    """
    ledger = pruned(ledger, now, policy)
    if not opening.test_code:
        refuse_send(ledger, now, policy, keyed=opening.keyed)
    channel = _untried_channel(ledger, opening.channels)
    ledger, verification = _to_send_in(ledger, now, policy, opening)
    state = Outcome.SENT if opening.test_code else "pending"
    send = Send(opening.send_id, channel, now.wall, state, verification.generation)
    verification = replace(verification, sends=(*verification.sends, send))
    if opening.test_code:
        return ledger.with_verification(verification), verification, send
    sent, streak = (*ledger.sent, now.wall), ledger.streak + 1
    ledger = ledger.with_verification(verification, sent=sent, last_send=now.wall, streak=streak)
    return ledger, verification, send


def settle(
    ledger: Ledger, now: Instant, send_id: str, delivery: Delivery, next_send: Send | None = None
) -> Ledger:
    """Note what became of a send; after a refusal `next_send` takes over its slot.

    Forward only: a send that is settled stays as it is, so settling twice does no harm.
    """
    found = ledger.by_send(send_id)
    if found is None or found[1].state != "pending":
        return ledger
    verification, send = found
    reason = (delivery.reason or Reason.FAILED) if delivery.outcome == Outcome.REFUSED else None
    provider_id = delivery.provider_id[:LONGEST_PROVIDER_ID]
    settled = replace(send, state=delivery.outcome, provider_id=provider_id, reason=reason or "")
    sends = tuple(settled if s is send else s for s in verification.sends)
    verification = replace(verification, sends=sends, out=verification.out or reason is None)
    ledger = ledger.with_verification(verification)
    if reason in ABOUT_THE_NUMBER:
        ledger = replace(ledger, refusals=(*ledger.refusals, (send.channel, now.wall, reason)))
    if reason and next_send:
        return _handed_on(ledger, verification, send, next_send)
    return _given_up(ledger, verification, send, reason) if reason else ledger


def check(
    ledger: Ledger,
    now: Instant,
    policy: Policy,
    target: Verification | None,
    guess: str,
    code_of: Callable[[Verification], str],
) -> tuple[Ledger | None, Verdict]:
    """Look at one guess for a verification of this ledger. The ledger is None where nothing changes.

    Counting, comparing and consuming are one transition, so one swap: of parallel right guesses one is accepted, of
    parallel wrong ones at most `max_attempts` are looked at. Whatever `code_of` raises, no try was spent.
    """
    if target is None:
        return None, Verdict(None)
    if target.is_pending(now) and target.attempts >= policy.allowed_attempts:  # for this face it is over
        return _over(ledger, policy, target, Status.MAX_ATTEMPTS_REACHED)
    if not target.is_pending(now):
        return _over(ledger, policy, target, target.status_at(now))
    if matches(guess, code_of(target)):
        return _approved(ledger, now, policy, target)
    return _wrong(ledger, now, policy, target)


def cancel(ledger: Ledger, now: Instant, policy: Policy, verification_id: str) -> tuple[Ledger, Verification]:
    """End a pending verification. Raises VerificationNotFound or NotPending."""
    verification = ledger.by_id(verification_id)
    if verification is None:
        raise VerificationNotFound("No such verification")
    if not verification.is_pending(now):
        raise NotPending("The verification is over already")
    over = replace(verification, status=Status.CANCELED, over=now.wall)
    return pruned(ledger.with_verification(over), now, policy), over


def _untried_channel(ledger: Ledger, channels: Sequence[str]) -> str:
    refused = {channel: reason for channel, _, reason in ledger.refusals}
    if untried := next((c for c in channels if c not in refused), None):
        return untried
    raise DeliveryRefused("This number cannot be reached", refused[channels[-1]])


def _to_send_in(ledger: Ledger, now: Instant, policy: Policy, opening: Opening) -> tuple[Ledger, Verification]:
    current = next((v for v in ledger.pending(now) if v.purpose == opening.purpose), None)
    if current is None:
        return _begun(ledger, now, policy, opening)
    if current.attempts >= policy.allowed_attempts:  # its message would bring a code that this face does not look at
        ledger, _ = _died(ledger, now, current)
        return _begun(ledger, now, policy, opening)
    if policy.max_life - current.age(now) < policy.min_life:
        # Too little life is left for a message to arrive in: the code would be dead on its arrival.
        expired = replace(current, status=Status.EXPIRED, over=now.wall)
        return _begun(ledger.with_verification(expired), now, policy, opening)
    life = min(current.age(now) + policy.ttl, policy.max_life)
    out = current.out or any(s.state == "pending" for s in current.sends)
    return ledger, replace(current, life=life, out=out, generation=current.generation + policy.new_code_on_resend)


def _begun(ledger: Ledger, now: Instant, policy: Policy, opening: Opening) -> tuple[Ledger, Verification]:
    pending = list(ledger.pending(now))
    if len(pending) >= policy.max_purposes:
        wait = min(v.left(now) for v in pending)
        raise TooManyPending("Too many verifications of this number are pending", wait, policy.max_purposes, policy.ttl)
    ledger, length = code_length(ledger, now, policy)
    length = len(opening.test_code) if opening.test_code else length
    return ledger, Verification(opening.verification_id, opening.purpose, opening.key, length, now, policy.ttl)


def _handed_on(ledger: Ledger, verification: Verification, send: Send, next_send: Send) -> Ledger:
    """Let the next step take over the slot and the gap of a refused one."""
    next_send = replace(next_send, generation=send.generation)
    ledger = ledger.with_verification(replace(verification, sends=(*verification.sends, next_send)))
    if send.at not in ledger.sent:
        return ledger
    return replace(ledger, sent=(*_without(ledger.sent, send.at), next_send.at), last_send=next_send.at)


def _without(stamps: tuple[float, ...], stamp: float) -> tuple[float, ...]:
    at = stamps.index(stamp) if stamp in stamps else len(stamps)
    return stamps[:at] + stamps[at + 1 :]


def _given_up(ledger: Ledger, verification: Verification, send: Send, reason: Reason) -> Ledger:
    """Take back what a refused send had counted, and the verification if no message of it can have arrived.

    Where guesses were looked at, slot and gap stay: a provider's outage must not make sends, and so guesses, free.
    """
    guessed = verification.attempts > 0
    if reason not in SLOT_KEPT and not guessed:
        ledger = replace(ledger, sent=_without(ledger.sent, send.at))
    if reason not in GAP_KEPT and not guessed:
        ledger = replace(ledger, streak=max(ledger.streak - 1, 0), last_send=max(ledger.sent, default=0.0))
    if not verification.out and all(s.state == Outcome.REFUSED for s in verification.sends):
        ledger = _revived(ledger, verification)
        return replace(ledger, verifications=tuple(v for v in ledger.verifications if v.id != verification.id))
    if send.generation and send.generation == verification.generation:
        # A new code that never left must not replace the one that the user has.
        return ledger.with_verification(replace(verification, generation=send.generation - 1))
    return ledger


def _over(ledger: Ledger, policy: Policy, target: Verification, status: Status) -> tuple[Ledger | None, Verdict]:
    verdict = Verdict(status, target.id, told=target.told)
    if target.told or not policy.tells_end_once:
        return None, verdict
    return ledger.with_verification(replace(target, told=True)), verdict


def _revived(ledger: Ledger, gone: Verification) -> Ledger:
    """Take back that the send which began `gone` ended the one before it: nothing came to the user in its place."""
    ended = [v for v in ledger.verifications if v.purpose == gone.purpose and v.over == gone.begun.wall]
    if not ended or ended[-1].status != Status.MAX_ATTEMPTS_REACHED:
        return ledger
    before = replace(ended[-1], status=Status.PENDING, over=None)
    return ledger.with_verification(before, deaths=max(ledger.deaths - 1, 0))


def _approved(ledger: Ledger, now: Instant, policy: Policy, target: Verification) -> tuple[Ledger, Verdict]:
    over = replace(target, status=Status.APPROVED, over=now.wall)
    ledger = replace(ledger.with_verification(over), streak=min(ledger.streak, 1), deaths=0)
    if target.attempts and len(ledger.given_back) < policy.give_back_limit:
        ledger = add_risk(ledger, now, -guess_weight(target.length))
        ledger = replace(ledger, given_back=(*ledger.given_back, int(now.wall // DAY)))
    return ledger, Verdict(Status.APPROVED, target.id, policy.max_attempts - target.attempts, counted=True)


def _died(ledger: Ledger, now: Instant, verification: Verification) -> tuple[Ledger, Verification]:
    """Of wrong guesses."""
    dead = replace(verification, status=Status.MAX_ATTEMPTS_REACHED, over=now.wall)
    return ledger.with_verification(dead, deaths=ledger.deaths + 1, died=now.wall), dead


def _wrong(ledger: Ledger, now: Instant, policy: Policy, target: Verification) -> tuple[Ledger, Verdict]:
    tried = replace(target, attempts=target.attempts + 1)
    left = policy.allowed_attempts - tried.attempts
    ledger = ledger.with_verification(tried)
    if tried.attempts >= policy.max_attempts:
        ledger, tried = _died(ledger, now, tried)
    ledger = add_risk(ledger, now, guess_weight(target.length))
    return ledger, Verdict(tried.status, target.id, max(left, 0), counted=True)
