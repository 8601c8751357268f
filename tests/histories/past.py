"""A history to look at: 30 days of verifications and notifications, the same ones each time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from otp_app.channels.twilio.errors import PAGE, meaning
from otp_app.core.delivery import Explanation
from otp_app.core.endings import Ending, Kind, Message
from otp_app.core.ledger import Origin
from otp_app.core.policy import DAY
from otp_app.history.writing import write
from tests.web.site import RecordingChannel, Site

PHONES = {
    "US": "+1415555{:04d}", "GB": "+447400{:06d}", "DE": "+49151{:08d}", "IN": "+919876{:06d}", "BR": "+55119{:08d}",
}  # fmt: skip
PAUSED, DISABLED, NO_WHATSAPP, UNKNOWN_NUMBER = 63041, 63042, 63003, 30005


class Explaining(RecordingChannel):
    """A channel that knows Twilio's errors."""

    name = "whatsapp"
    error_pages = PAGE

    def explain(self, provider_code: int) -> Explanation:
        return meaning(provider_code)


def ending(chance: random.Random, begun: float, **changed: Any) -> Ending:
    """One that is over: a code by WhatsApp that was typed, if nothing is said of it."""
    country = chance.choices([*PHONES], [8, 4, 3, 2, 1])[0]
    took = round(2 + 3 * chance.random(), 3)
    usual = Ending(
        f"VE{chance.getrandbits(128):032x}", Kind.VERIFICATION, Origin("native", "shop", country), "login",
        PHONES[country].format(chance.randrange(10**4)), country, outcome="approved", error="", error_code=0,
        begun=begun, ended=begun + 30, delivered_after=took, approved_after=30.0, attempts=0, digits=6, tags={},
        messages=(message(chance, "whatsapp", begun, "delivered", took),), channel="whatsapp", steps=5,
    )  # fmt: skip
    return usual._replace(**changed)


def message(
    chance: random.Random, channel: str, at: float, delivery: str, took: float | None = None, code: int = 0
) -> Message:
    return Message(f"VL{chance.getrandbits(128):032x}", channel, at, delivery, code, took, "")


def rescued(chance: random.Random, begun: float, code: int, error: str) -> Ending:
    """One whose SMS arrived after WhatsApp had refused."""
    lost = message(chance, "whatsapp", begun, "undelivered", None, code)
    messages = (lost, message(chance, "sms", begun + 4, "delivered", 5.0))
    return ending(chance, begun, error=error, error_code=code, messages=messages, channel="sms", delivered_after=9.0)


def days(now: float, each: int = 40) -> Iterator[Ending]:
    """30 days with some of everything; the template fails since yesterday."""
    chance = random.Random(7)
    for number in range(30 * each):
        begun = now - 60 - 30 * DAY * (1 - (number + 1) / (30 * each))
        kind = chance.random()
        if begun > now - DAY and kind < 0.3:
            yield rescued(chance, begun, DISABLED, "template")
        elif kind < 0.04:
            yield rescued(chance, begun, NO_WHATSAPP, "recipient")
        elif kind < 0.05:
            lost = (message(chance, "sms", begun, "undelivered", None, UNKNOWN_NUMBER),)
            yield ending(chance, begun, outcome="expired", error="recipient", error_code=UNKNOWN_NUMBER, messages=lost,
                         channel="sms", delivered_after=None, approved_after=None)
        elif kind < 0.22:
            yield ending(chance, begun, outcome="expired", approved_after=None)
        else:
            yield ending(chance, begun)
        if number % 8 == 0:
            yield notification(chance, begun, fails=begun > now - DAY and number % 16 == 0)


def notification(chance: random.Random, begun: float, *, fails: bool) -> Ending:
    """One of two templates, of which the invoice fails."""
    changed: dict[str, Any] = {"kind": Kind.NOTIFICATION, "digits": 0, "approved_after": None, "outcome": "delivered"}
    changed |= {"id": f"NT{chance.getrandbits(128):032x}", "subject": "invoice" if fails else "order_shipped"}
    if fails:
        changed |= {"outcome": "undelivered", "error": "template", "error_code": PAUSED, "delivered_after": None}
        changed |= {"messages": (message(chance, "whatsapp", begun, "undelivered", None, PAUSED),)}
    return ending(chance, begun, **changed)


def keep(site: Site, *endings: Ending) -> None:
    """Put these into the history of a server."""
    assert site.services.history
    write(site.services.history.database, endings, site.services.history.numbers)
