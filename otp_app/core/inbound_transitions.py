"""What a message that somebody writes to us does to ledgers. Pure functions, as those of check_transitions.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from msgspec.structs import replace

from otp_app.core.check_transitions import exhausted
from otp_app.core.errors import TooManyPending
from otp_app.core.events import Approval
from otp_app.core.instant import Instant
from otp_app.core.ledger import Inbound, Ledger, Origin, Status, Verification
from otp_app.core.limits import refuse_blocked
from otp_app.core.policy import Policy
from otp_app.core.upkeep import pruned


class Finding(StrEnum):
    """What became of a message."""

    CONFIRMED = "confirmed"
    UNKNOWN = "unknown"  # no word in it is one that is waited for
    OTHER_NUMBER = "other_number"  # the word is waited for, from another number
    NO_NUMBER = "no_number"  # the provider does not know the sender's number
    NOT_SERVED = "not_served"  # a number of this kind or country, or one that is blocked


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message that somebody wrote to us, from a provider that vouches for its sender."""

    channel: str  # by which it came
    sender: str  # as the provider names it
    number: str  # the sender's, "" where the provider does not know it
    message_id: str  # the provider's
    body: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What one word of a message has shown."""

    finding: Finding
    recorded: Verification | None = None  # as it is now, if the message has changed it
    phone: str = ""  # of that verification, "" where it is not known

    def approval(self, at: float) -> Approval | None:
        """Return what the message has proved, if it is the one that has."""
        verification = self.recorded
        if verification is None or verification.inbound is None or self.finding != Finding.CONFIRMED:
            return None
        return Approval(self.phone, verification.purpose, verification.id, verification.inbound.channel, at)


UNKNOWN = Proof(Finding.UNKNOWN)


def awaited(ledger: Ledger, now: Instant, policy: Policy) -> Ledger:
    """Return the ledger of a number that is to write to us once more. Raises TooManyPending, CountryNotAllowed."""
    refuse_blocked(ledger)
    ledger = pruned(ledger, now, policy)
    if len(ledger.awaited) >= policy.max_purposes:
        wait = max(min(ledger.awaited) + policy.ttl - now.wall, 1.0)
        raise TooManyPending("Too many verifications of this number are pending", wait, policy.max_purposes, policy.ttl)
    return replace(ledger, awaited=(*ledger.awaited, now.wall))


def begun(
    now: Instant, policy: Policy, verification_id: str, purpose: str, phone: str, tags: Mapping[str, str],
    origin: Origin | None = None,
) -> tuple[Ledger, Verification]:
    """Return the ledger of a word with its verification; `phone` "" where any number may write it.

    A verification without a key has no code.
    """
    new = Verification(verification_id, purpose, "", 0, now, policy.ttl, tags=tags, inbound=Inbound(), origin=origin)
    return Ledger(phone, (new,)), new


def prove(
    ledger: Ledger | None, now: Instant, policy: Policy, message: Incoming, sender: str
) -> tuple[Ledger | None, Proof]:
    """Take a message with the word of this ledger, from the number `sender` (E.164). Each message counts once."""
    target = next((v for v in ledger.verifications if v.inbound), None) if ledger else None
    if ledger is None or target is None or target.inbound is None:
        return None, UNKNOWN
    if target.status == Status.APPROVED and target.ended_for(now) < policy.tombstone and ledger.phone == sender:
        return None, Proof(Finding.CONFIRMED)
    if message.message_id in target.inbound.refused:
        return None, Proof(Finding.OTHER_NUMBER)
    if not target.is_pending(now):
        return None, UNKNOWN
    if ledger.phone and ledger.phone != sender:
        return _refused(ledger, now, policy, target, target.inbound, message)
    inbound = target.inbound._replace(channel=message.channel, message_id=message.message_id)
    ended = replace(target, status=Status.APPROVED, ended_at=now.wall, inbound=inbound)
    return replace(ledger.with_verification(ended), phone=sender), Proof(Finding.CONFIRMED, ended, sender)


def _refused(
    ledger: Ledger, now: Instant, policy: Policy, target: Verification, inbound: Inbound, message: Incoming
) -> tuple[Ledger, Proof]:
    """Count a wrong attempt: the right word from another number."""
    inbound = inbound._replace(refused=(*inbound.refused, message.message_id))
    target = replace(target, attempts=target.attempts + 1, inbound=inbound)
    ledger = ledger.with_verification(target)
    if target.attempts >= policy.max_attempts:
        ledger, target = exhausted(ledger, now, target)
    return ledger, Proof(Finding.OTHER_NUMBER, target, ledger.phone)
