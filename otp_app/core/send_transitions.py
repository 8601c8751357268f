"""What sends do to a ledger: begin, settle. Pure functions of (ledger, now, policy, …).

Each returns the ledger to store. The service stores it with one compare-and-swap and starts again from the newer record
when it lost, so every rule here holds whatever runs at the same time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec.structs import replace

from otp_app.core.check_transitions import CodeOf, exhausted
from otp_app.core.codes import code_offset, matches
from otp_app.core.delivery import Delivery, Maker, Outcome, Reason
from otp_app.core.errors import DeliveryRefused, InvalidInput, TooManyPending, VerificationSpent
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Send, Status, Verification
from otp_app.core.limits import code_length, refuse_send
from otp_app.core.policy import Policy
from otp_app.core.provider_codes import made_by, refuse_code, unfit_channels, with_one_attempt
from otp_app.core.upkeep import pruned

#: Refusals that are about the number: they keep the gap and are believed for a while, so that asking again
#: makes no provider calls.
ABOUT_THE_NUMBER = {Reason.BAD_NUMBER, Reason.BLOCKED, Reason.SUSPICIOUS, Reason.OPTED_OUT}
#: Refusals that keep the slot in the caps too: causing them should not bring more attempts, and a message that the
#: provider took and then failed may have cost something.
SLOT_KEPT = {Reason.SUSPICIOUS, Reason.OPTED_OUT, Reason.FAILED}
GAP_KEPT = ABOUT_THE_NUMBER | SLOT_KEPT

LONGEST_PROVIDER_ID = 64  # Twilio's have 34


@dataclass(frozen=True, slots=True)
class SendPlan:
    """A send that is about to be counted."""

    purpose: str
    channels: Sequence[str]  # the first one that has not refused this number is used
    authenticated: bool  # the caller showed an API key
    verification_id: str  # of the verification, should a new one begin
    send_id: str
    key: str  # id of the code key of a new verification
    test_code: str | None = None  # of a test number: this code, no message, no limits of sends
    code: str = ""  # chosen by the caller for a verification that begins
    replace_code: bool = False  # that code replaces the one of a pending verification too
    makers: Mapping[str, Maker] = field(default_factory=dict)  # by channel: who makes its codes, if not this server
    tags: Mapping[str, str] = field(default_factory=dict)  # of the caller; without any, earlier ones stay


class Counted(NamedTuple):
    """A message that is counted and about to leave."""

    ledger: Ledger  # to be stored
    verification: Verification
    send: Send
    code: str


def begin(
    ledger: Ledger, now: Instant, policy: Policy, plan: SendPlan, code_of: CodeOf
) -> Counted:
    """Count a message and note it as about to be sent, in the pending verification or a new one.

    Raises a LimitReached when the number must wait, DeliveryRefused when every channel refused this number a short
    time ago, and what `code_of` raises. A pending verification is never harmed by that.
    """
    ledger = pruned(ledger, now, policy)
    if not plan.test_code:
        refuse_send(ledger, now, policy, authenticated=plan.authenticated)
    channel = _untried_channel(ledger, plan.channels)
    maker = None if plan.test_code else plan.makers.get(channel)
    once = maker and refuse_code(ledger, now, policy, plan.purpose, maker, authenticated=plan.authenticated)
    ledger, verification = _to_send_in(ledger, now, policy, plan, code_of, maker)
    if once:
        verification = with_one_attempt(verification)
    state = Outcome.SENT if plan.test_code else "pending"
    send = Send(plan.send_id, channel, now.wall, state, verification.generation)
    messages = verification.messages + 1
    tags = plan.tags or verification.tags
    verification = replace(verification, sends=(*verification.sends, send), messages=messages, tags=tags)
    code = "" if maker else code_of(verification)
    if plan.test_code:
        return Counted(ledger.with_verification(verification), verification, send, code)
    sent, streak = (*ledger.sent, now.wall), ledger.streak + 1
    ledger = ledger.with_verification(verification, sent=sent, last_send=now.wall, streak=streak)
    return Counted(ledger, verification, send, code)


def settle(
    ledger: Ledger, now: Instant, send_id: str, delivery: Delivery, next_send: Send | None = None,
    maker: Maker | None = None,
) -> Ledger:
    """Note the outcome of a send; after a refusal `next_send` takes over its slot, with a code of `maker`.

    Only a pending send changes, so settling twice does no harm.
    """
    found = ledger.by_send(send_id)
    if found is None or found[1].state != "pending":
        return ledger
    verification, send = found
    reason = (delivery.reason or Reason.FAILED) if delivery.outcome == Outcome.REFUSED else None
    provider_id = delivery.provider_id[:LONGEST_PROVIDER_ID] or send.provider_id  # a receipt may have told it
    settled = replace(send, state=delivery.outcome, provider_id=provider_id, reason=reason or "")
    verification = verification.with_send(settled) if reason else verification.with_message_out(settled)
    ledger = ledger.with_verification(verification)
    if reason in ABOUT_THE_NUMBER:
        ledger = replace(ledger, refusals=(*ledger.refusals, (send.channel, now.wall, reason)))
    if reason and next_send:
        return _pass_slot_on(ledger, verification, send, next_send, maker)
    return _release_slot(ledger, now, verification, send, reason) if reason else ledger


def next_channel(
    ledger: Ledger, now: Instant, policy: Policy, send_id: str, channels: Sequence[str], makers: Mapping[str, Maker]
) -> str | None:
    """Return the first of the channels that may send in place of a refused send; None where none should.

    A code of a verification that has ended, or one that a newer code took the place of, must not arrive any more.
    """
    found = ledger.by_send(send_id)
    if found is None or not found[0].is_pending(now) or found[1].generation != found[0].generation:
        return None
    unfit = {channel for channel, _, _ in ledger.refusals}
    if makers:
        unfit |= unfit_channels(ledger, now, policy, found[0].purpose, makers)
    return next((channel for channel in channels if channel not in unfit), None)


def _untried_channel(ledger: Ledger, channels: Sequence[str]) -> str:
    refused = {channel: reason for channel, _, reason in ledger.refusals}
    if untried := next((c for c in channels if c not in refused), None):
        return untried
    raise DeliveryRefused("This number cannot be reached", refused[channels[-1]])


def _to_send_in(
    ledger: Ledger, now: Instant, policy: Policy, plan: SendPlan, code_of: CodeOf, maker: Maker | None
) -> tuple[Ledger, Verification]:
    current = next((v for v in ledger.pending(now) if v.purpose == plan.purpose), None)
    if current and current.attempts >= policy.within(current.attempts_allowed).allowed_attempts:
        ledger, _ = exhausted(ledger, now, current)  # this API would compare no attempt at the code of its message
    elif current and policy.max_life - current.age(now) < policy.min_life:
        # Too little life is left for a message to arrive in: its code would have expired by then.
        ledger = ledger.with_verification(replace(current, status=Status.EXPIRED, ended_at=now.wall))
    elif current:
        return _sent_again(ledger, current, now, policy, plan, code_of, maker)
    ledger, new = _new_verification(ledger, now, policy, plan)
    if current and (ended := ledger.by_id(current.id)) and ended.status == Status.MAX_ATTEMPTS_REACHED:
        new = replace(new, replaces=current.id)
    return (ledger, made_by(maker, new)) if maker else _with_choice(ledger, now, policy, new, plan, code_of)


def _sent_again(
    ledger: Ledger, current: Verification, now: Instant, policy: Policy, plan: SendPlan, code_of: CodeOf,
    maker: Maker | None,
) -> tuple[Ledger, Verification]:
    if 0 < policy.sends_per_verification <= current.messages and not plan.test_code:
        quota, wait = policy.sends_per_verification, current.left(now)
        raise VerificationSpent("This verification had all its messages", wait, quota, policy.max_life)
    life = max(current.life, min(current.age(now) + policy.ttl, policy.max_life))
    out = current.out or any(s.state == "pending" for s in current.sends)
    current = replace(current, life=life, out=out)
    if maker:
        again = current.with_provider_id(current.generation, "")  # the provider may begin anew, with another id
        return ledger, again if current.provider == maker.provider else _renewed(current, maker)
    other = plan.replace_code and plan.code and not matches(plan.code, code_of(current))
    if not (policy.new_code_on_resend or other or current.provider):
        return ledger, current
    return _with_choice(ledger, now, policy, _renewed(current), plan, code_of)


def _renewed(verification: Verification, maker: Maker | None = None) -> Verification:
    """The verification with a new code of its own, or of this maker."""
    sends = (send.generation for send in verification.sends if send.state != Outcome.REFUSED)
    possible = {verification.generation, *sends}
    possible |= {verification.newest_out} if verification.out else set()
    chosen = tuple(choice for choice in verification.chosen if choice[0] in possible)
    made = tuple(made for made in verification.made if made.generation in possible)
    renewed = replace(verification, generation=verification.generation + 1, chosen=chosen, made=made)
    return made_by(maker, renewed) if maker else renewed


def _with_choice(
    ledger: Ledger, now: Instant, policy: Policy, verification: Verification, plan: SendPlan, code_of: CodeOf
) -> tuple[Ledger, Verification]:
    """The verification with the code that the caller chose, kept as its offset from the derived one.

    While spent risk and the other pending codes demand long codes, a choice that is shorter than the verification's
    own codes is not taken; where it was to replace a pending code, that is InvalidInput.
    """
    if not plan.code or plan.test_code:
        return ledger, verification
    others = tuple(v for v in ledger.verifications if v.id != verification.id)
    raised = code_length(replace(ledger, verifications=others), now, policy)[0].raised
    ledger = replace(ledger, raised=raised)
    if raised and len(plan.code) < verification.shortest:
        if plan.replace_code:
            raise InvalidInput(f"code: this number needs {verification.shortest} digits for a while")
        return ledger, verification
    generation, length = verification.generation, len(plan.code)
    derived = code_of(replace(verification, chosen=((generation, length, 0),)))
    choice = (generation, length, code_offset(plan.code, derived))
    return ledger, replace(verification, chosen=(*verification.chosen, choice))


def _new_verification(ledger: Ledger, now: Instant, policy: Policy, plan: SendPlan) -> tuple[Ledger, Verification]:
    pending = list(ledger.pending(now))
    if len(pending) >= policy.max_purposes:
        wait = min(v.left(now) for v in pending)
        raise TooManyPending("Too many verifications of this number are pending", wait, policy.max_purposes, policy.ttl)
    ledger, length = code_length(ledger, now, policy)
    length = len(plan.test_code) if plan.test_code else length
    return ledger, Verification(plan.verification_id, plan.purpose, plan.key, length, now, policy.ttl)


def _pass_slot_on(
    ledger: Ledger, verification: Verification, send: Send, next_send: Send, maker: Maker | None
) -> Ledger:
    """Give the slot and the gap of a refused step to the next one; with a new code where another one makes it."""
    if (maker.provider if maker else "") != verification.provider:
        verification = _renewed(verification, maker)
    next_send = replace(next_send, generation=verification.generation)
    ledger = ledger.with_verification(replace(verification, sends=(*verification.sends, next_send)))
    return replace(ledger, sent=(*_without(ledger.sent, send.at), next_send.at), last_send=next_send.at)


def _without(stamps: tuple[float, ...], stamp: float) -> tuple[float, ...]:
    at = stamps.index(stamp) if stamp in stamps else len(stamps)
    return stamps[:at] + stamps[at + 1 :]


def _release_slot(ledger: Ledger, now: Instant, verification: Verification, send: Send, reason: Reason) -> Ledger:
    """Take back what a refused send had counted, and the verification if no message of it can have arrived.

    The provider's answer may be late. A step is taken back only where nothing happened since: a verification that has
    ended stays as it ended, and a later message keeps its gap. After attempts, slot and gap stay too: a provider's
    outage must not make sends, and so attempts, free.
    """
    verification = replace(verification, messages=verification.messages - 1)
    ledger = ledger.with_verification(verification)
    if not verification.attempts:
        ledger = _counted_less(ledger, verification, send, reason)
    none_left = not verification.out and all(s.state == Outcome.REFUSED for s in verification.sends)
    if none_left and verification.status == Status.PENDING:
        ledger = _restore_previous(ledger, now, verification)
        return replace(ledger, verifications=tuple(v for v in ledger.verifications if v.id != verification.id))
    return ledger.with_verification(replace(verification, generation=_generation_out(verification)))


def _counted_less(ledger: Ledger, verification: Verification, send: Send, reason: Reason) -> Ledger:
    """Give back the slot of a refused send, and the gap where its reason allows that."""
    if reason not in SLOT_KEPT:
        ledger = replace(ledger, sent=_without(ledger.sent, send.at))
    if reason in GAP_KEPT:
        return ledger
    if ledger.last_send == send.at:
        kept = (at for _, at, _ in ledger.refusals)  # those about the number keep their gap, though not their slot
        ledger = replace(ledger, last_send=max((*ledger.sent, *kept), default=0.0))
    since = _first_step(verification, send)
    if any(v.status == Status.APPROVED and (v.ended_at or 0.0) >= since for v in ledger.verifications):
        return ledger  # the approval began the streak anew, this send's part of it included
    return replace(ledger, streak=max(ledger.streak - 1, min(len(ledger.sent), 1)))


def _first_step(verification: Verification, send: Send) -> float:
    """When the first of the refused steps that led to this one began, by the wall clock."""
    first = send.at
    place = [step.id for step in verification.sends].index(send.id)
    for step in reversed(verification.sends[:place]):
        if step.state != Outcome.REFUSED:
            break
        first = min(first, step.at)
    return first


def _generation_out(verification: Verification) -> int:
    """The newest code that may have left: one that never left must not replace the one that the person has."""
    possible = (s.generation for s in verification.sends if s.state != Outcome.REFUSED)
    return max(verification.newest_out, *possible, 0)


def _restore_previous(ledger: Ledger, now: Instant, gone: Verification) -> Ledger:
    """Take back that the send which began `gone` ended the one before it: no message came in its place.

    Only where nothing happened to the purpose since: no attempt, no end, no other verification.
    """
    mine = [v for v in ledger.verifications if v.purpose == gone.purpose]
    before = mine[-2] if len(mine) > 1 and mine[-1].id == gone.id else None
    if before is None or before.id != gone.replaces or gone.attempts or not gone.is_pending(now):
        return ledger
    was_exhausted = ledger.exhaustions and ledger.exhausted_at == before.ended_at
    exhaustions = ledger.exhaustions - 1 if was_exhausted else ledger.exhaustions
    return ledger.with_verification(replace(before, status=Status.PENDING, ended_at=None), exhaustions=exhaustions)
