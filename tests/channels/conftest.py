"""What the tests of channels share: settings for a stand-in, clients over it, messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from otp_app.channels import open_channels
from otp_app.channels.twilio.client import TwilioClient
from otp_app.channels.twilio.settings import TwilioSettings
from otp_app.channels.twilio.transport import Transport
from otp_app.settings import Settings
from tests.channels.messages import ACCOUNT, NUMBER, SANDBOX
from tests.configuration import make_settings
from tests.twilio.fake_twilio import FakeTwilio
from tests.twilio.fixtures import broken, twilio

__all__ = ["broken", "open_client", "settings_for", "twilio"]


@pytest.fixture
def settings_for() -> Callable[..., Settings]:
    """Settings of a server that sends through the stand-in at a URL."""

    def make(url: str, **given: Any) -> Settings:
        base = {"twilio_account_sid": ACCOUNT, "twilio_auth_token": "faketoken1234567", "twilio_api_base_url": url}
        senders = {"twilio_phone_number": NUMBER, "twilio_whatsapp_number": SANDBOX}
        return make_settings(**{**base, **senders, "otp_channels": ("sms", "whatsapp"), **given})

    return make


@pytest.fixture
def open_client(settings_for: Callable[..., Settings]) -> Iterator[Callable[..., TwilioClient]]:
    """Clients of a stand-in, closed after the test. `clock`, `sleep` and `connect` are handed to the transport."""
    clients: list[TwilioClient] = []

    def make(url: str, timeout: float = 5.0, pool_size: int = 8, **parts: Any) -> TwilioClient:
        transport = Transport(timeout, pool_size, **parts)
        client = TwilioClient(settings_for(url).of(TwilioSettings), transport, **_only_clock(parts))
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def open_channel(twilio: FakeTwilio, settings_for: Callable[..., Settings]) -> Iterator[Callable[..., Any]]:
    """Call it with a name and settings to get a channel over the stand-in, which is closed after the test."""
    with ExitStack() as opened:

        def make(name: str, **given: Any) -> Any:
            (channel,) = open_channels(settings_for(twilio.url, otp_channels=(name,), **given))
            return opened.enter_context(closing(channel))

        yield make


def _only_clock(parts: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in parts.items() if name == "clock"}
