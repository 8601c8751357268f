"""What a class offers to be a channel of this project; a class of an operator may leave out `faults` and `advice`."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from otp_app.core.delivery import Channel

if TYPE_CHECKING:
    from otp_app.channels.twilio.client import TwilioClient
    from otp_app.settings import Settings


class Parts:
    """What channels are opened with."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def twilio(self) -> TwilioClient:
        """The client that all channels through Twilio share. Twilio's SDK is loaded only for those."""
        from otp_app.channels.twilio.client import TwilioClient

        return TwilioClient.open(self.settings)


class ChannelClass(Channel, Protocol):
    """A channel that is opened from the settings, and says before the first message what they lack."""

    @classmethod
    @abstractmethod
    def open(cls, parts: Parts) -> Channel:
        """Return the channel that the settings describe. Raises ValueError."""

    @classmethod
    def by_name(cls, parts: Parts) -> tuple[Channel, ...]:  # noqa: ARG003
        """Return further channels, which only a request uses that names them. One of OTP_CHANNELS wins over them."""
        return ()

    @classmethod
    def faults(cls, settings: Settings) -> list[str]:  # noqa: ARG003
        """Return a line for each setting without which it cannot send; the line begins with the variable."""
        return []

    @classmethod
    def advice(cls, settings: Settings) -> list[str]:  # noqa: ARG003
        """Return a line for each setting that works and could be better."""
        return []
