"""The courier: hands a message to the channels in order, and notes the outcome of each step in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from otp_app.core import send_transitions
from otp_app.core.codes import LedgerIds
from otp_app.core.delivery import Channel, Delivery, Message, Outcome
from otp_app.core.errors import Busy, StoreUnavailable
from otp_app.core.events import Event, OutcomeLost, Refused, Sent
from otp_app.core.instant import Clock, Instant
from otp_app.core.ledger import Ledger, Send, Verification
from otp_app.core.phone import Phone
from otp_app.core.swapping import Ledgers
from otp_app.core.texts import Texts


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One message on its way."""

    phone: Phone
    key: str  # of the ledger
    verification: Verification
    send: Send
    channels: Sequence[str]  # in the order in which they are asked
    code: str
    texts: Texts
    locale: str


class Courier:
    """Delivers dispatches: at most one message a channel, the next channel only after a certain refusal."""

    def __init__(
        self,
        channels: Sequence[Channel],
        ledgers: Ledgers,
        *,
        ids: LedgerIds,
        clock: Clock,
        notify: Callable[[Event], None],
    ) -> None:
        self._channels = {channel.name: channel for channel in channels}
        self._ledgers, self._ids = ledgers, ids
        self._clock, self._notify = clock, notify

    def deliver(self, dispatch: Dispatch) -> tuple[Send, Delivery]:
        """Return the last step and its delivery; every step before it was refused.

        A step is in the ledger before its message leaves. Raises StoreUnavailable only where nothing was sent.
        """
        send: Send | None = dispatch.send
        while send:
            step, delivery = send, self._hand_over(dispatch, send)
            rest = dispatch.channels[dispatch.channels.index(step.channel) + 1 :]
            if delivery.outcome == Outcome.REFUSED and rest:
                send = self._pass_on(dispatch, step, delivery, rest)
            else:
                self._settle(dispatch, step, delivery)
                send = None
        return step, delivery

    def _hand_over(self, dispatch: Dispatch, send: Send) -> Delivery:
        verification = dispatch.verification
        left = verification.left(self._clock())
        text = dispatch.texts.render(dispatch.code, left, dispatch.locale)
        message = Message(dispatch.phone.e164, dispatch.code, text, left, send.id)
        delivery = self._channels[send.channel].deliver(message)
        self._notify(_event(dispatch, send, delivery))
        return delivery

    def _pass_on(self, dispatch: Dispatch, send: Send, delivery: Delivery, rest: Sequence[str]) -> Send | None:
        """Settle a refused step, and return the step of the next channel, if one may follow."""

        def transition(ledger: Ledger | None, now: Instant) -> tuple[Ledger | None, Send | None]:
            if ledger is None:
                return None, None
            channel = send_transitions.next_channel(ledger, now, send.id, rest)
            following = Send(self._ids.new_send(), channel, now.wall) if channel else None
            return send_transitions.settle(ledger, now, send.id, delivery, following), following

        return self._ledgers.change(dispatch.key, transition)

    def _settle(self, dispatch: Dispatch, send: Send, delivery: Delivery) -> None:
        def transition(ledger: Ledger | None, now: Instant) -> tuple[Ledger | None, None]:
            settled = send_transitions.settle(ledger, now, send.id, delivery) if ledger else None
            return settled, None

        try:
            self._ledgers.change(dispatch.key, transition)
        except (Busy, StoreUnavailable):
            # The message was sent or refused, whatever the store says, and the caller gets that answer. The ledger
            # still shows a send without an outcome, which no rule takes for a refusal.
            self._notify(OutcomeLost(*_subject(dispatch), send.id))


def _event(dispatch: Dispatch, send: Send, delivery: Delivery) -> Event:
    subject = _subject(dispatch)
    if delivery.outcome == Outcome.REFUSED:
        return Refused(*subject, send.id, send.channel, delivery.reason or "", delivery.provider_code)
    return Sent(*subject, send.id, send.channel, delivery.outcome, delivery.provider_id)


def _subject(dispatch: Dispatch) -> tuple[str, str, str]:
    """The fields that every event has."""
    return dispatch.verification.id, dispatch.phone.masked, dispatch.verification.purpose
