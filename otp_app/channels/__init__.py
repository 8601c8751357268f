"""Ways out. A channel takes a message and answers what became of it; a provider's quirks stay in that provider's files.

A channel is a class with a classmethod `open(parts)`. It may also have the classmethods `missing(settings)` and
`warnings(settings)`, which tell the operator before the first message what is not set, or not well. One that is named
as `module:Class` is an operator's own code: what it raises or returns against the contract becomes a fault of it.
"""

from __future__ import annotations

from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Any, NoReturn

from otp_app.core.codes import CODE
from otp_app.core.delivery import Channel, Delivery, Outcome, Reason
from otp_app.core.errors import ChannelDown
from otp_app.plugins.guarded import Guarded, Method, attribute
from otp_app.plugins.isolation import PluginFault, isolated
from otp_app.plugins.loading import OWN_CLASS, load_object

if TYPE_CHECKING:
    from otp_app.channels.twilio.client import TwilioClient
    from otp_app.settings import Settings

CHANNELS = {
    "backend": "otp_app.apis.phone.backend:BackendChannel",
    "console": "otp_app.channels.console:ConsoleChannel",
    "sms": "otp_app.channels.twilio.sms:SmsChannel",
    "whatsapp": "otp_app.channels.twilio.whatsapp:WhatsAppChannel",
}


class Parts:
    """What channels are opened with."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def twilio(self) -> TwilioClient:
        """The client that all channels through Twilio share. Twilio's SDK is loaded only for those who ask."""
        from otp_app.channels.twilio.client import TwilioClient

        return TwilioClient.open(self.settings)


def open_channels(settings: Settings) -> tuple[Channel, ...]:
    """Return the channels of OTP_CHANNELS in its order. ValueError says which name is wrong and what to change."""
    parts = Parts(settings)
    return tuple(_open(name, parts) for name in settings.otp_channels)


def unopened(settings: Settings) -> list[str]:
    """Return a line for each channel of an operator's own that cannot be opened. Each is opened and closed once."""
    lines = []
    for name in settings.otp_channels:
        try:
            if ":" in name:
                _open(name, Parts(settings)).close()
        except ValueError as error:
            lines.append(str(error))
    return lines


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
            lines += _answer(name, question, settings)
        except ValueError as error:
            lines += [str(error)] if question == "missing" else []
    return list(dict.fromkeys(lines))  # channels of one provider say the same of its account


def _find(name: str) -> Any:
    target = name if OWN_CLASS.fullmatch(name) else CHANNELS.get(name, "")
    if not target:
        raise ValueError(f"OTP_CHANNELS: a channel is not known: use {', '.join(CHANNELS)} or module:Class")
    try:
        return load_object(target, "channel")
    except ValueError as error:
        raise ValueError(f"OTP_CHANNELS: {error}") from error


def _answer(name: str, question: str, settings: Settings) -> list[str]:
    """Return the lines of a channel's `missing` or `warnings`. Raises ValueError."""
    asked = _find(name)
    try:
        method = isolated(getattr, asked, question, None)
        lines = isolated(lambda: list(method(settings))) if method else []
    except PluginFault as fault:
        raise ValueError(f"OTP_CHANNELS: {name} cannot say what is missing: {fault}") from fault.error
    if not all(isinstance(line, str) for line in lines):
        raise ValueError(f"OTP_CHANNELS: {name}.{question} must return a list of texts")
    return lines


def _open(name: str, parts: Parts) -> Channel:
    found = _find(name)
    if ":" not in name:
        channel: Channel = found.open(parts)
        return channel
    try:
        return _OwnChannel(isolated(lambda: found.open(parts)), name)
    except PluginFault as fault:
        raise ValueError(f"OTP_CHANNELS: {name} cannot be opened: {fault}") from fault.error
    except ValueError as error:
        raise ValueError(f"OTP_CHANNELS: {name} cannot be used: {error}") from error


class _OwnChannel(Guarded):
    """A channel of an operator's own. A message whose delivery goes wrong may have left."""

    deliver: Any
    ping: Any
    close: Any

    def __init__(self, channel: object, name: str) -> None:
        super().__init__(channel, f"OTP_CHANNELS {name}", CONTRACT)
        self.name, self.landlines = attribute(channel, "name"), attribute(channel, "landlines")
        if not (isinstance(self.name, str) and self.name and isinstance(self.landlines, bool)):
            raise ValueError("its name must be a text, and its landlines True or False")


def _is_delivery(answer: Any) -> bool:
    return (
        isinstance(answer, Delivery)
        and answer.outcome in set(Outcome)
        and answer.reason in {None, *Reason}
        and type(answer.provider_id) is str
        and type(answer.provider_code) in (int, type(None))
        and (answer.retry_after is None or 0 <= answer.retry_after < inf)
    )


def _down(fault: str) -> NoReturn:
    raise ChannelDown(f"The channel does not work ({fault})")


#: what a channel of an operator's own must have, and what replaces its faults
CONTRACT = {
    "deliver": Method(1, _is_delivery, instead=lambda _: Delivery(Outcome.UNKNOWN)),
    "ping": Method(0, lambda _: True, instead=_down, raises=(ChannelDown,)),
    "close": Method(0, lambda _: True, instead=lambda _: None),
    "new_code": Method(
        0, lambda code: code == "" or bool(CODE.fullmatch(code)), _down, raises=(ChannelDown,), required=False
    ),
}
