"""The bus, as the settings describe it."""

from __future__ import annotations

from otp_app.bus.connecting import Broker
from otp_app.bus.publisher import Publisher
from otp_app.bus.sign_ups import SignUps
from otp_app.core.instant import Clock
from otp_app.settings import Settings


def open_sign_ups(settings: Settings, clock: Clock) -> SignUps:
    """Return what asks workers for the codes of sign-ups. Raises ValueError for an OTP_AMQP_URL that is none."""
    publisher = Publisher(Broker(settings.otp_amqp_url, quorum=settings.otp_amqp_quorum))
    test_numbers = {test.phone for test in settings.otp_test_numbers}
    return SignUps(publisher, settings.otp_countries, test_numbers, lambda: clock().wall)
