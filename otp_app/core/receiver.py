"""The receiver: notes receipts in the ledgers, each with one swap, and tells listeners what arrived or did not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from otp_app.core import receipts
from otp_app.core.codes import LedgerIds
from otp_app.core.delivery import Channel, ErrorClass, explain
from otp_app.core.events import Delivered, Event, Undelivered
from otp_app.core.instant import Instant
from otp_app.core.journal import Transition
from otp_app.core.ledger import Ledger, Send, Verification
from otp_app.core.ledgers import Ledgers
from otp_app.core.phone import mask
from otp_app.core.receipts import Receipt
from otp_app.core.reminders import Reminders


class _Noted(NamedTuple):
    """What a receipt was noted of."""

    ledger: Ledger
    verification: Verification
    send: Send
    is_news: bool


class Receiver:
    """Takes receipts that are known to be from the provider."""

    def __init__(
        self,
        channels: Sequence[Channel],
        ledgers: Ledgers,
        *,
        ids: LedgerIds,
        notify: Callable[[Event], None],
        reminders: Reminders | None = None,
    ) -> None:
        self._channels, self._ledgers, self._ids, self._notify = channels, ledgers, ids, notify
        self._reminders = reminders

    def receive(self, receipt: Receipt) -> bool:
        """Note a receipt, and return whether its message is known; another channel may follow one that was given up.

        Raises Busy, StoreUnavailable.
        """
        return self.begin(receipt)()

    def begin(self, receipt: Receipt) -> Callable[[], bool]:
        """Begin to note a receipt. What is returned waits for its end, and returns and raises what `receive` does.

        Raises StoreUnavailable.
        """
        if self._reminders and receipt.status in receipts.GIVEN_UP and self._may_be_followed(receipt):
            self._reminders.of_death(receipt)
        return self.note(receipt)

    def note(self, receipt: Receipt) -> Callable[[], bool]:
        """Begin to note a receipt without having the next channel used; else as `begin`."""
        key = self._ids.ledger_of(receipt.verification_id)
        if key is None:
            return lambda: False
        note: Transition[_Noted | None] = partial(_note, receipt)
        return partial(self._told, receipt, partial(self._ledgers.finish, key, note, self._ledgers.begin(key, note)))

    def _told(self, receipt: Receipt, rest: Callable[[], _Noted | None]) -> bool:
        noted = rest()
        if noted and noted.is_news:
            subject = noted.verification.id, mask(noted.ledger.phone), noted.verification.purpose
            if event := event_of(subject, noted.send, receipt, self._channels):
                self._notify(event)
        return noted is not None

    def _may_be_followed(self, receipt: Receipt) -> bool:
        key = self._ids.ledger_of(receipt.verification_id)
        ledger = self._ledgers.find(key) if key else None
        found = receipts.addressed(ledger, receipt) if ledger else None
        return bool(found and found[1].route)


def event_of(subject: tuple[str, str, str], send: Send, receipt: Receipt, channels: Sequence[Channel]) -> Event | None:
    """Return what a receipt tells of a message: that it arrived or will not; None for a step on its way."""
    message = send.id, send.channel, receipt.provider_id, receipt.status
    if receipt.status in receipts.ARRIVED:
        return Delivered(*subject, *message)
    if receipt.status not in receipts.DEAD:
        return None
    meaning = explain(channels, send.channel, receipt.provider_code)
    error_class, sentence = (meaning.error_class, meaning.sentence) if meaning else (ErrorClass.UNKNOWN, "")
    return Undelivered(*subject, *message, receipt.provider_code or None, error_class, sentence)


def _note(receipt: Receipt, ledger: Ledger | None, now: Instant) -> tuple[Ledger | None, _Noted | None]:
    found = receipts.addressed(ledger, receipt) if ledger else None
    if ledger is None or found is None:
        return None, None
    noted = receipts.receive(ledger, now, receipt)
    return noted, _Noted(ledger, *found, is_news=noted is not None)
