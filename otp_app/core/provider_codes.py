"""Codes that a provider makes: what its one code of a number means for sends. Pure functions, as send_transitions'.

The provider holds at most one pending code of a number, whatever it is for, and cannot make it longer.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from otp_app.core.delivery import Maker, Outcome
from otp_app.core.errors import TooManyPending
from otp_app.core.instant import Instant
from otp_app.core.ledger import BACKWARDS, Ledger, Made, Send, Verification
from otp_app.core.limits import is_at_risk, refuse_send
from otp_app.core.policy import Policy


def refuse_code(
    ledger: Ledger, now: Instant, policy: Policy, purpose: str, maker: Maker, *, authenticated: bool
) -> bool:
    """Raise the LimitReached of a code from this maker, if any; else return whether it has one attempt only.

    A number at risk gets one message a day, for one attempt.
    """
    if other := _other_purpose(ledger, now, purpose, maker):
        wait = other.left(now)
        raise TooManyPending("A code for another purpose is pending at the provider", wait, 1, policy.max_life)
    at_risk = is_at_risk(ledger, now, policy)
    if at_risk:
        refuse_send(ledger, now, policy.slow, authenticated=authenticated)
    return at_risk


def unfit_channels(
    ledger: Ledger, now: Instant, policy: Policy, purpose: str, makers: Mapping[str, Maker]
) -> set[str]:
    """Return the channels that must not take over a refused message, because of who makes their codes."""
    if is_at_risk(ledger, now, policy):
        return set(makers)
    return {name for name, maker in makers.items() if _other_purpose(ledger, now, purpose, maker)}


def made_by(maker: Maker, verification: Verification) -> Verification:
    """Return the verification with a maker for its present code."""
    made = Made(verification.generation, maker.length, maker.provider)
    return replace(verification, made=(*verification.made, made))


def with_one_attempt(verification: Verification) -> Verification:
    """Return the verification with one more attempt at its present code, which is the newest, and none after that."""
    *others, made = verification.made
    return replace(verification, made=(*others, made._replace(attempts=verification.attempts + 1)))


def is_first(verification: Verification, send: Send) -> bool:
    """Return whether no message before this send can have brought its code."""
    others = (s for s in verification.sends if s.generation == send.generation and s.id != send.id)
    out = verification.out and verification.newest_out >= send.generation
    return not out and all(s.state == Outcome.REFUSED for s in others)


def has_left(verification: Verification) -> bool:
    """Return whether a code that a provider made for it has left, or may have."""
    out = {send.generation for send in verification.sends if send.state != Outcome.REFUSED}
    out |= {verification.newest_out} if verification.out else set()
    return any(made.generation in out for made in verification.made)


def may_linger(ledger: Ledger, now: Instant, policy: Policy, verification: Verification, send: Send) -> bool:
    """Return whether the provider may hold an earlier code of the number, which it would send again as the new one.

    Approved ones count too: where their caller has approved them, the provider may not have heard of it.
    """
    if not is_first(verification, send):
        return False
    recent = (v for v in ledger.verifications if v.age(now) < policy.max_life + BACKWARDS)
    mine, here = verification.provider, (verification.id, verification.generation)
    return any(made.provider == mine and (v.id, made.generation) != here for v in recent for made in v.made)


def _other_purpose(ledger: Ledger, now: Instant, purpose: str, maker: Maker) -> Verification | None:
    """Return the pending verification of another purpose that has a code of this maker, or returns to it.

    It returns to it where a channel refuses the message with the newer code.
    """
    pending = (v for v in ledger.pending(now) if v.purpose != purpose)
    return next((v for v in pending if maker.provider in _latest_makers(v)), None)


def _latest_makers(verification: Verification) -> set[str]:
    oldest = verification.newest_out if verification.out else 0
    return {made.provider for made in verification.made if made.generation >= oldest}
