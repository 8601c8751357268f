"""Codes for sign-ups, asked for over the bus: a worker makes and sends them."""

from __future__ import annotations

from collections.abc import Callable, Set
from uuid import uuid4

from otp_app.bus.letters import REQUESTS, Letter
from otp_app.bus.publisher import Publisher
from otp_app.core.phone import parse, spelling
from otp_app.core.results import SendRequest


class SignUps:
    """Asks workers for codes. `wall` is the time, seconds since the epoch."""

    def __init__(
        self, publisher: Publisher, countries: frozenset[str], test_numbers: Set[str], wall: Callable[[], float]
    ) -> None:
        self._publisher, self._wall = publisher, wall
        self._countries, self._test_numbers = countries, test_numbers

    def ask(self, phone_number: str, request: SendRequest, keep: Callable[[], None]) -> None:
        """Return once the broker has the request; `keep` is called before. The worker looks at limits of the number.

        Raises InvalidPhone, CountryNotAllowed; BusUnavailable, after which the code may come or not.
        """
        phone = spelling(phone_number)
        if phone not in self._test_numbers:
            parse(phone, self._countries)
        keep()
        fields = {"phone_number": phone, "authenticated": request.authenticated}
        of_key = {"key": request.origin.key} if request.origin.key else {}  # its name, for the history
        self._publisher.publish(REQUESTS, Letter.of(uuid4().hex, self._wall(), fields | of_key))

    def ping(self) -> None:
        """Raise BusUnavailable unless the broker answers now."""
        self._publisher.ping()

    def close(self) -> None:
        """Close the connection."""
        self._publisher.close()
