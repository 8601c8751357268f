"""The fallback: sends by the next channel what did not arrive by the one before. Any server does it, and one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from otp_app.core import reminders
from otp_app.core.codes import LedgerIds
from otp_app.core.courier import Courier, Dispatch
from otp_app.core.delivery import Channel, explain
from otp_app.core.follow_transitions import did_not_arrive, follow, is_awaited
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Send, Verification
from otp_app.core.ledgers import Ledgers
from otp_app.core.phone import Phone, country_of, is_served
from otp_app.core.policy import Policy
from otp_app.core.providers import Providers
from otp_app.core.receiver import Receiver
from otp_app.core.texts import Texts

SOON = 0.5  # seconds until a message is looked at again whose provider has not answered yet
ELSEWHERE = 5.0  # seconds until one is whose API is served by other servers only


class Profile(NamedTuple):
    """The figures and words of an API."""

    policy: Policy
    texts: Texts


class Fallback:
    """Does the jobs that reminders are. Each returns None when it is done, or the seconds until it has to be again."""

    def __init__(
        self,
        channels: Sequence[Channel],
        ledgers: Ledgers,
        providers: Providers,
        *,
        receiver: Receiver,
        courier: Courier,
        ids: LedgerIds,
        profiles: Mapping[str, Profile],
        code_of: Callable[[Ledger, Verification], str],
        after: float,
        countries: frozenset[str],
    ) -> None:
        """`after`: seconds of silence. `countries`: those that messages are sent to; empty: all."""
        self._channels, self._ledgers, self._ids = channels, ledgers, ids
        self._able = {channel.name for channel in channels} - providers.makers.keys()
        self._receiver, self._courier, self._countries = receiver, courier, countries
        self._profiles, self._code_of, self._after = profiles, code_of, after
        self.handlers = {reminders.DEAD: self.after_death, reminders.SILENT: self.after_silence}

    def after_death(self, payload: bytes) -> float | None:
        """Note a receipt, should its receiver not have come to it, and follow the message that it gives up.

        Raises Busy, StoreUnavailable.
        """
        receipt = reminders.read_death(payload)
        self._receiver.note(receipt)()
        return self._follow(receipt.verification_id, receipt.send_id, silent=False)

    def after_silence(self, payload: bytes) -> float | None:
        """Follow a message of which no arrival was reported. Raises Busy, StoreUnavailable."""
        return self._follow(*reminders.read_silence(payload), silent=True)

    def _follow(self, verification_id: str, send_id: str, *, silent: bool) -> float | None:
        key = self._ids.ledger_of(verification_id)
        if key is None:
            return None

        def transition(ledger: Ledger | None, now: Instant) -> tuple[Ledger | None, Dispatch | float | None]:
            found = ledger.by_send(send_id) if ledger else None
            if ledger is None or found is None or not found[0].is_pending(now):
                return None, None
            if is_awaited(now, found[1]):
                return None, SOON
            if not did_not_arrive(found[1], silent=silent) or not (silent or self._helps(found[1])):
                return None, None
            if not is_served(ledger.phone, self._countries):  # any more
                return None, None
            if silent and (left := self._silence_left(now, found[1])) > 0:
                return None, left
            following = self._following(key, ledger, now, found[1])
            return following.ledger if isinstance(following, Dispatch) else None, following

        answer = self._ledgers.change(key, transition)
        if not isinstance(answer, Dispatch):
            return answer
        self._courier.deliver(answer)
        return None

    def _following(self, key: str, ledger: Ledger, now: Instant, send: Send) -> Dispatch | float | None:
        profile = self._profiles.get(send.profile)
        if profile is None:
            return ELSEWHERE
        counted = follow(
            ledger, now, profile.policy, send, self._ids.new_send(), self._able, lambda v: self._code_of(ledger, v)
        )
        if counted is None:
            return None
        phone = Phone(ledger.phone, country_of(ledger.phone), landline=False)
        return Dispatch(phone, key, *counted, profile.texts, send.locale, profile.policy, self._code_of)

    def _silence_left(self, now: Instant, send: Send) -> float:
        """Return for how long a message may still be silent: a store whose clock was set gives its job out early."""
        return min(send.at + self._after - now.wall, self._after)

    def _helps(self, send: Send) -> bool:
        """Return whether another channel can reach the recipient, as far as the provider's number tells."""
        meaning = explain(self._channels, send.channel, send.receipts[-1].code)
        return meaning is None or meaning.elsewhere
