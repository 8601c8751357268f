"""The courier: hands a message to the channels in order, and notes the outcome of each step in the ledger.

A channel whose provider makes the codes sends one of its own; the code before it ends where the maker changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from otp_app.core import provider_codes, send_transitions
from otp_app.core.codes import LedgerIds
from otp_app.core.delivery import Channel, Delivery, Message, Outcome, explain
from otp_app.core.errors import Busy, CodeNotTaken, Landline, StoreUnavailable, UnknownChannel
from otp_app.core.events import Event, OutcomeLost, Refused, Sent
from otp_app.core.instant import Clock, Instant
from otp_app.core.ledger import Ledger, Send, Verification
from otp_app.core.ledgers import Ledgers
from otp_app.core.phone import Phone
from otp_app.core.policy import Policy
from otp_app.core.providers import Providers
from otp_app.core.reminders import Reminders
from otp_app.core.results import SendRequest
from otp_app.core.routes import continued
from otp_app.core.texts import Texts

NOT_READ_BY_APPS = ("whatsapp",)  # channels whose messages are no SMS, the only ones that Android gives to an app


class Dispatch(Struct, frozen=True):
    """One message on its way."""

    phone: Phone
    key: str  # of the ledger
    ledger: Ledger  # as this send was counted in it
    verification: Verification
    send: Send
    code: str
    channels: Sequence[str]  # in the order in which they are asked
    texts: Texts
    locale: str
    policy: Policy
    code_of: Callable[[Ledger, Verification], str]


class Courier:
    """Delivers dispatches: at most one message a channel, the next channel only after a certain refusal."""

    def __init__(
        self,
        channels: Sequence[Channel],
        ledgers: Ledgers,
        providers: Providers,
        *,
        ids: LedgerIds,
        clock: Clock,
        notify: Callable[[Event], None],
        routes: Mapping[str, Sequence[str]] | None = None,
        reminders: Reminders | None = None,
    ) -> None:
        """`routes`: the channels of a country (ISO 3166) in their order, where they are not all in this one."""
        self._channels = {channel.name: channel for channel in channels}
        self._ledgers, self._providers, self._ids = ledgers, providers, ids
        self._clock, self._notify = clock, notify
        self._routes, self._reminders = routes or {}, reminders

    def channels_for(self, phone: Phone, request: SendRequest) -> list[str]:
        """Return the channels that a request may use, in their order. Raises UnknownChannel, Landline, CodeNotTaken."""
        wanted = request.channel
        names = [wanted] if wanted is not None else self._routes.get(phone.country, self._channels)
        known = [self._channels[name] for name in names if name in self._channels]
        if wanted is None:
            known = [channel for channel in known if channel.name not in self._providers.by_request]
        if not known:
            raise UnknownChannel("channel must be one of: " + ", ".join(self._channels))
        if not (able := [c.name for c in known if c.landlines or not phone.landline]):
            raise Landline("phone_number is a fixed line, which cannot receive messages here")
        if request.code and not (able := [name for name in able if name not in self._providers.makers]):
            raise CodeNotTaken("code: the provider of this channel makes the codes itself")
        return able

    def deliver(self, dispatch: Dispatch) -> tuple[Send, Delivery]:
        """Return the last step and its delivery; every step before it was refused.

        A step is in the ledger before its message leaves. Raises StoreUnavailable only where nothing was sent.
        """
        following: Dispatch | None = dispatch
        while following:
            if self._reminders:
                self._reminders.of_silence(following.verification, following.send)
            dispatch, delivery = following, self._hand_over(following)
            rest = dispatch.channels[dispatch.channels.index(dispatch.send.channel) + 1 :]
            if delivery.outcome == Outcome.REFUSED and rest:
                following = self._pass_on(dispatch, delivery, rest)
            else:
                self._settle(dispatch, dispatch.send, delivery)
                following = None
        if dispatch.verification.made and delivery.outcome != Outcome.REFUSED:
            self._end_replaced(dispatch)
        return dispatch.send, delivery

    def _hand_over(self, dispatch: Dispatch) -> Delivery:
        verification, send = dispatch.verification, dispatch.send
        left = verification.left(self._clock())
        if send.channel in self._providers.makers:
            kept = dispatch.locale, verification.app_hash
            message = Message(dispatch.phone.e164, "", "", left, send.id, verification.id, *kept)
            ledger, now, policy = dispatch.ledger, self._clock(), dispatch.policy
            lingers = provider_codes.may_linger(ledger, now, policy, verification, send)
            delivery = self._providers.start(send.channel, message, lingers=lingers)
        else:
            app_hash = "" if send.channel in NOT_READ_BY_APPS else verification.app_hash
            text = dispatch.texts.render(dispatch.code, left, dispatch.locale, dispatch.phone.country, app_hash)
            message = Message(dispatch.phone.e164, dispatch.code, text, left, send.id, verification.id)
            delivery = self._channels[send.channel].deliver(message)
        self._notify(self._event(dispatch, send, delivery))
        return delivery

    def _event(self, dispatch: Dispatch, send: Send, delivery: Delivery) -> Event:
        subject, number = _subject(dispatch), delivery.provider_code
        if delivery.outcome == Outcome.REFUSED:
            meaning = explain(self._channels.values(), send.channel, number or 0)
            sentence = meaning.sentence if meaning else ""
            return Refused(*subject, send.id, send.channel, delivery.reason or "", number, sentence)
        return Sent(*subject, send.id, send.channel, delivery.outcome, delivery.provider_id)

    def _pass_on(self, dispatch: Dispatch, delivery: Delivery, rest: Sequence[str]) -> Dispatch | None:
        """Settle a refused step, and return the step of the next channel, if one may follow."""
        send, makers, policy = dispatch.send, self._providers.makers, dispatch.policy

        def transition(ledger: Ledger | None, now: Instant) -> tuple[Ledger | None, Dispatch | None]:
            if ledger is None:
                return None, None
            channel = send_transitions.next_channel(ledger, now, policy, send.id, rest, makers)
            following = continued(send, self._ids.new_send(), channel, now.wall) if channel else None
            maker = makers.get(channel or "")
            settled = send_transitions.settle(ledger, now, send.id, delivery, following, maker)
            return settled, _next_dispatch(dispatch, settled, following)

        return self._ledgers.change(dispatch.key, transition)

    def _end_replaced(self, dispatch: Dispatch) -> None:
        """End at its provider the code that this message has replaced."""
        verification = dispatch.verification
        if verification.provider or not provider_codes.is_first(verification, dispatch.send):
            return
        if provider_codes.has_left(verification):
            self._providers.end(dispatch.phone.e164, verification)

    def _settle(self, dispatch: Dispatch, send: Send, delivery: Delivery) -> None:
        def transition(ledger: Ledger | None, now: Instant) -> tuple[Ledger | None, None]:
            settled = send_transitions.settle(ledger, now, send.id, delivery) if ledger else None
            return settled, None

        def lost() -> None:
            # The message was sent or refused, whatever the store says, and the caller gets that answer. The ledger
            # still shows a send without an outcome, which no rule takes for a refusal.
            self._notify(OutcomeLost(*_subject(dispatch), send.id))

        if delivery.outcome == Outcome.SENT:
            self._ledgers.note(dispatch.key, transition, lost)
            return
        try:
            self._ledgers.change(dispatch.key, transition)
        except (Busy, StoreUnavailable):
            lost()


def _next_dispatch(dispatch: Dispatch, ledger: Ledger, following: Send | None) -> Dispatch | None:
    """Return the dispatch of the send that was given the id of `following`, with the code of its own maker."""
    if following is None or not (found := ledger.by_send(following.id)):
        return None
    verification, send = found
    code = "" if verification.provider else dispatch.code_of(ledger, verification)
    return replace(dispatch, ledger=ledger, verification=verification, send=send, code=code)


def _subject(dispatch: Dispatch) -> tuple[str, str, str]:
    """The fields that every event has."""
    return dispatch.verification.id, dispatch.phone.masked, dispatch.verification.purpose
