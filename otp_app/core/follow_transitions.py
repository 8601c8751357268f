"""What the next channel does to a ledger, after a message that did not arrive. Pure, as those of send_transitions.py.

A message is followed once at most, whoever asks and how often: only the last one of a verification is, and the one that
follows takes that place in the same swap.
"""

from __future__ import annotations

from collections.abc import Collection

from otp_app.core.check_transitions import CodeOf
from otp_app.core.delivery import Outcome
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Send, Verification
from otp_app.core.limits import sends_left
from otp_app.core.policy import Policy
from otp_app.core.receipts import ARRIVED, DEAD, GIVEN_UP
from otp_app.core.routes import continued, dead_channels
from otp_app.core.send_transitions import Counted, counted, next_channel, prolonged
from otp_app.core.upkeep import pruned

#: Seconds after which nobody still waits for a provider's answer: it has 12, and clocks differ. Until then the thread
#: that waits may use the next channel itself.
PATIENCE = 20.0


def is_awaited(now: Instant, send: Send) -> bool:
    """Return whether the provider of this message may still answer its sender."""
    return send.state == "pending" and now.wall - send.at < PATIENCE


def did_not_arrive(send: Send, *, silent: bool) -> bool:
    """Return whether a message is certainly lost or, where only its silence is known, was sent and never reported."""
    last = send.receipts[-1].status if send.receipts else ""
    if silent:
        return send.state == Outcome.SENT and last not in DEAD | ARRIVED
    return send.state != Outcome.REFUSED and last in GIVEN_UP


def follow(
    ledger: Ledger, now: Instant, policy: Policy, send: Send, send_id: str, able: Collection[str], code_of: CodeOf
) -> Counted | None:
    """Count the message `send_id` that follows another one, with the same code; None where none should.

    The caps hold, as for a caller without a key; the gap is for callers, who may ask again and again.
    """
    found = ledger.by_send(send.id)
    if found is None or not _has_room(ledger, now, policy, found[0]):
        return None
    verification, dead = found[0], dead_channels(found[0].sends)
    route = [channel for channel in send.route if channel in able and channel not in dead]
    channel = next_channel(ledger, now, policy, send.id, route, {})
    if channel is None:
        return None
    following = continued(send, send_id, channel, now.wall)
    ledger, verification = pruned(ledger, now, policy), prolonged(verification, now, policy)
    return counted(ledger, now, verification, following, code_of, route[route.index(channel) :])


def _has_room(ledger: Ledger, now: Instant, policy: Policy, verification: Verification) -> bool:
    """Return whether a message may be sent, and its code would be compared once it is there."""
    if verification.provider:
        return False
    if policy.max_life - verification.age(now) < policy.min_life:
        return False
    if verification.attempts >= policy.allowed_attempts:
        return False
    if 0 < policy.sends_per_verification <= verification.messages:
        return False
    return sends_left(ledger, now, policy, authenticated=False) != 0
