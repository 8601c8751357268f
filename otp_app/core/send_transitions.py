"""What sends do to a ledger: begin, settle. Pure functions of (ledger, now, policy, …).

Each returns the ledger to store. The service stores it with one compare-and-swap and starts again from the newer record
when it lost, so every rule here holds whatever runs at the same time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from otp_app.core.check_transitions import CodeOf, exhausted
from otp_app.core.codes import code_offset, matches
from otp_app.core.delivery import Delivery, Maker, Outcome, Reason
from otp_app.core.errors import DeliveryRefused, InvalidInput, TooManyPending, VerificationSpent
from otp_app.core.instant import Instant
from otp_app.core.ledger import LONGEST_PROVIDER_ID, Ledger, Origin, Send, Status, Verification
from otp_app.core.limits import (
    code_length,
    policy_for,
    refuse_blocked,
    refuse_send,
    seconds_to_next_send,
    sends_left,
)
from otp_app.core.policy import Policy
from otp_app.core.provider_codes import made_by, refuse_code, unfit_channels, with_one_attempt
from otp_app.core.refusals import ABOUT_THE_NUMBER, release_slot, without
from otp_app.core.results import FreshSendResult, VerificationView
from otp_app.core.routes import Keeps, living_first, with_route
from otp_app.core.upkeep import pruned


class SendPlan(Struct, frozen=True):
    """A send that is about to be counted."""

    purpose: str
    channels: Sequence[str]  # the first one that has not refused this number is used
    authenticated: bool  # the caller showed an API key
    verification_id: str  # of the verification, should a new one begin
    send_id: str
    key: str  # id of the code key of a new verification
    test_code: str | None = None  # of a test number: this code, no message, no limits of sends but a block
    code: str = ""  # chosen by the caller for a verification that begins
    replace_code: bool = False  # that code replaces the one of a pending verification too
    makers: Mapping[str, Maker] = field(default_factory=dict)  # by channel: who makes its codes, if not this server
    tags: Mapping[str, str] = field(default_factory=dict)  # of the caller; without any, earlier ones stay
    app_hash: str = ""  # of an Android app; without one, the earlier one stays
    keeps: Keeps | None = None  # for the channels that may follow; None: none may
    origin: Origin | None = None  # of a verification that begins


class Counted(NamedTuple):
    """A message that is counted and about to leave."""

    ledger: Ledger  # to be stored
    verification: Verification
    send: Send
    code: str
    channels: Sequence[str]  # the one of the send, and those that may take over if it refuses


def result(
    counted: Counted, send: Send, outcome: Outcome, now: Instant, *, policy: Policy, authenticated: bool
) -> FreshSendResult:
    """Return what the caller of a send is told: which message left, and what may follow it."""
    ledger, verification = counted.ledger, counted.verification
    sends = (*verification.sends[:-1], replace(send, state=outcome))
    view = VerificationView(replace(verification, sends=sends), ledger.phone, now, policy)
    its_own = policy_for(verification, policy)
    return FreshSendResult(
        verification.id, view.to, send.channel, outcome,
        expires_in=view.expires_in,
        resend_in=seconds_to_next_send(ledger, now, its_own, authenticated=authenticated),
        sends_left=sends_left(ledger, now, its_own, authenticated=authenticated),
        view=view,
    )  # fmt: skip


def begin(
    ledger: Ledger, now: Instant, policy: Policy, plan: SendPlan, code_of: CodeOf
) -> Counted:
    """Count a message and note it as about to be sent, in the pending verification or a new one.

    Raises a LimitReached when the number must wait, DeliveryRefused when every channel refused this number a short
    time ago, and what `code_of` raises. A pending verification is never harmed by that.
    """
    if ledger != Ledger(ledger.phone):  # a new one has nothing to forget
        ledger = pruned(ledger, now, policy)
    if plan.test_code:
        refuse_blocked(ledger)
    else:
        refuse_send(ledger, now, policy, authenticated=plan.authenticated)
    channels = _in_order(ledger, now, plan) if len(plan.channels) > 1 else plan.channels
    channel = _untried_channel(ledger, channels)
    channels = channels[channels.index(channel) :]
    maker = None if plan.test_code else plan.makers.get(channel)
    once = maker and refuse_code(ledger, now, policy, plan.purpose, maker, authenticated=plan.authenticated)
    ledger, verification = _to_send_in(ledger, now, policy, plan, code_of, maker)
    if once:
        verification = with_one_attempt(verification)
    state = Outcome.SENT if plan.test_code else "pending"
    if plan.tags:
        verification = replace(verification, tags=plan.tags)
    if plan.app_hash:
        verification = replace(verification, app_hash=plan.app_hash)
    send = Send(plan.send_id, channel, now.wall, state)
    if plan.keeps and not maker:
        send = with_route(send, [c for c in channels[1:] if c not in plan.makers], plan.keeps)
    code_of = (lambda _: "") if maker else code_of
    return counted(ledger, now, verification, send, code_of, channels, free=bool(plan.test_code))


def counted(
    ledger: Ledger, now: Instant, verification: Verification, send: Send, code_of: CodeOf, channels: Sequence[str],
    *, free: bool = False,
) -> Counted:
    """Note a message of the present code as about to leave; unless it is free, it counts for the number's limits."""
    send, messages = replace(send, generation=verification.generation), verification.messages + 1
    verification = replace(verification, sends=(*verification.sends, send), messages=messages)
    if not free:
        ledger = replace(ledger, sent=(*ledger.sent, now.wall), last_send=now.wall, streak=ledger.streak + 1)
    return Counted(ledger.with_verification(verification), verification, send, code_of(verification), channels)


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
    error = delivery.provider_code or 0
    settled = replace(send, state=delivery.outcome, provider_id=provider_id, reason=reason or "", error=error)
    verification = verification.with_send(settled) if reason else verification.with_message_out(settled)
    ledger = ledger.with_verification(verification)
    if reason in ABOUT_THE_NUMBER:
        ledger = replace(ledger, refusals=(*ledger.refusals, (send.channel, now.wall, reason)))
    if reason and next_send:
        return _pass_slot_on(ledger, verification, send, next_send, maker)
    return release_slot(ledger, now, verification, send, reason) if reason else ledger


def next_channel(
    ledger: Ledger, now: Instant, policy: Policy, send_id: str, channels: Sequence[str], makers: Mapping[str, Maker]
) -> str | None:
    """Return the first of the channels that may send in place of a refused send; None where none should.

    A code of a verification that has ended, or one that a newer code took the place of, must not arrive any more; and
    behind a send that is not the last, another one has come already.
    """
    found = ledger.by_send(send_id)
    if found is None or not found[0].is_pending(now) or found[1].generation != found[0].generation:
        return None
    if found[0].sends[-1].id != send_id:
        return None
    unfit = {channel for channel, _, _ in ledger.refusals}
    if makers:
        unfit |= unfit_channels(ledger, now, policy, found[0].purpose, makers)
    return next((channel for channel in channels if channel not in unfit), None)


def _in_order(ledger: Ledger, now: Instant, plan: SendPlan) -> Sequence[str]:
    """The channels of a send, with those last that have not brought the messages before."""
    sends = next((v.sends for v in ledger.pending(now) if v.purpose == plan.purpose), ())
    return living_first(plan.channels, sends) if sends else plan.channels


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
        raise VerificationSpent("This verification has had all its messages", wait, quota, policy.max_life)
    current = prolonged(current, now, policy)
    if maker:
        again = current.with_provider_id(current.generation, "")  # the provider may begin anew, with another id
        return ledger, again if current.provider == maker.provider else _renewed(current, maker)
    other = plan.replace_code and plan.code and not matches(plan.code, code_of(current))
    if not (policy.new_code_on_resend or other or current.provider):
        return ledger, current
    return _with_choice(ledger, now, policy, _renewed(current), plan, code_of)


def prolonged(verification: Verification, now: Instant, policy: Policy) -> Verification:
    """Return a verification that is sent again, with the life that a message gives it."""
    life = max(verification.life, min(verification.age(now) + policy.ttl, policy.max_life))
    out = verification.out or any(s.state == "pending" for s in verification.sends)
    return replace(verification, life=life, out=out)


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
    new = Verification(plan.verification_id, plan.purpose, plan.key, length, now, policy.ttl, origin=plan.origin)
    return ledger, new


def _pass_slot_on(
    ledger: Ledger, verification: Verification, send: Send, next_send: Send, maker: Maker | None
) -> Ledger:
    """Give the slot and the gap of a refused step to the next one; with a new code where another one makes it."""
    if (maker.provider if maker else "") != verification.provider:
        verification = _renewed(verification, maker)
    next_send = replace(next_send, generation=verification.generation)
    ledger = ledger.with_verification(replace(verification, sends=(*verification.sends, next_send)))
    return replace(ledger, sent=(*without(ledger.sent, send.at), next_send.at), last_send=next_send.at)
