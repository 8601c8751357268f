"""Ways out. A channel takes a message and answers what became of it; a provider's quirks stay in that provider's files.

A channel is a class with a classmethod `open(parts)`. It may also have the classmethods `missing(settings)` and
`warnings(settings)`, which tell the operator before the first message what is not set, or not well.
"""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from otp_app.core.interfaces import Channel

if TYPE_CHECKING:
    from otp_app.channels.twilio_client import TwilioClient
    from otp_app.settings import Settings

CHANNELS = {
    "backend": "otp_app.channels.backend:BackendChannel",
    "console": "otp_app.channels.console:ConsoleChannel",
    "sms": "otp_app.channels.twilio_sms:SmsChannel",
    "whatsapp": "otp_app.channels.twilio_whatsapp:WhatsAppChannel",
}


class Parts:
    """What channels are opened with."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def twilio(self) -> TwilioClient:
        """The client that all channels through Twilio share. Twilio's SDK is loaded only for those who ask."""
        from otp_app.channels.twilio_client import TwilioClient

        return TwilioClient.open(self.settings)


def open_channels(settings: Settings) -> tuple[Channel, ...]:
    """Return the channels of OTP_CHANNELS in its order. ValueError says which name is wrong and what to change."""
    parts = Parts(settings)
    return tuple(_find(name).open(parts) for name in settings.otp_channels)


def missing(settings: Settings) -> list[str]:
    """Return a line for everything that the channels of OTP_CHANNELS cannot work without, wrong names included."""
    return _ask("missing", settings)


def warnings(settings: Settings) -> list[str]:
    """Return a line for everything about the channels that works, but not as the operator may think."""
    return _ask("warnings", settings)


def _ask(question: str, settings: Settings) -> list[str]:
    lines: list[str] = []
    for name in settings.otp_channels:
        try:
            answer = getattr(_find(name), question, None)
            lines += answer(settings) if answer else []
        except ValueError as error:
            lines += [str(error)] if question == "missing" else []
    return list(dict.fromkeys(lines))  # channels of one provider say the same of its account


def _find(name: str) -> Any:
    module, _, attribute = (name if ":" in name else CHANNELS.get(name, "")).partition(":")
    if not module:
        raise ValueError(f"OTP_CHANNELS: no channel is called {name!r}; use {', '.join(CHANNELS)} or module:Class")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"OTP_CHANNELS: {name!r} cannot be loaded: {error}") from error
