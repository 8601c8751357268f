"""Ways to send. A channel takes a message and returns its delivery; a provider's quirks stay in that provider's files.

contract.py says what a class must have. One that is named as `module:Class` is an operator's own code: what it raises
or returns against the contract becomes a fault of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from otp_app.channels.contract import ChannelClass, Parts
from otp_app.core.codes import CODE
from otp_app.core.delivery import Channel, Delivery, ErrorClass, Explains, Explanation, Outcome, Reason
from otp_app.core.errors import ChannelDown
from otp_app.plugins.guarded import Guarded, Method, attribute
from otp_app.plugins.isolation import PluginFault, isolated
from otp_app.plugins.loading import CLASS_PATH, load_object
from otp_app.settings.diagnosis import Diagnosis, State, UsedTemplate
from otp_app.system.program import COMMAND

if TYPE_CHECKING:
    from otp_app.settings import Settings
    from otp_app.settings.model import Model


class Entry(NamedTuple):
    """The class of a channel, imported only if it is used, and that of its provider's settings (settings/model.py)."""

    channel: str
    settings: str = ""


TWILIO = "otp_app.channels.twilio.settings:TwilioSettings"
CHANNELS = {
    "console": Entry("otp_app.channels.console:ConsoleChannel"),
    "sms": Entry("otp_app.channels.twilio.sms:SmsChannel", TWILIO),
    "twilio_verify": Entry("otp_app.channels.twilio.verify:VerifyChannel", TWILIO),
    "whatsapp": Entry("otp_app.channels.twilio.whatsapp:WhatsAppChannel", TWILIO),
}


def models() -> tuple[type[Model], ...]:
    """Return the settings of all providers, used or not."""
    targets = dict.fromkeys(entry.settings for entry in CHANNELS.values() if entry.settings)
    found: list[Any] = [load_object(target, "settings") for target in targets]
    return tuple(found)


def open_channels(settings: Settings) -> tuple[Channel, ...]:
    """Return the channels of OTP_CHANNELS in its order, then those that only requests name.

    ValueError says which name is wrong and what to change.
    """
    parts, classes = Parts(settings), [_find(name, settings) for name in settings.otp_channels]
    channels = [found.open(parts) for found in classes]
    names = {channel.name for channel in channels}
    more = (channel for found in classes for channel in found.by_name(parts))
    return (*channels, *(channel for channel in more if channel.name not in names))


def explaining() -> tuple[Any, ...]:
    """Return what explains the error numbers of providers, for core.delivery.explain. No channel is opened."""
    classes: list[Any] = [load_object(entry.channel, "channel") for entry in CHANNELS.values()]
    return tuple(found for found in classes if isinstance(found, Explains))


def unopened(settings: Settings) -> list[str]:
    """Return a line for each channel of an operator that cannot be opened, or has the name of another one.

    Each is opened and closed once.
    """
    lines: list[str] = []
    names: set[str] = set()
    for given in settings.otp_channels:
        try:
            name = _name(given, settings)
        except ValueError as error:
            lines.append(str(error))
        else:
            if name in names:  # messages for one would go to the other, and after each refusal to that one again
                lines.append(f"OTP_CHANNELS: two channels have the name {name}: omit one, or rename your class")
            names.add(name)
    return lines


def _name(given: str, settings: Settings) -> str:
    found = _find(given, settings)
    if not isinstance(found, _OwnClass):
        return found.name
    with closing(found.open(Parts(settings))) as channel:
        return channel.name


def faults(settings: Settings) -> list[str]:
    """Return a line for everything that the channels of OTP_CHANNELS cannot work without, wrong names included."""
    lines: list[str] = []
    for name in settings.otp_channels:
        try:
            lines += _find(name, settings).faults(settings)
        except ValueError as error:
            lines.append(str(error))
    return list(dict.fromkeys(lines))  # channels of one provider say the same of its account


def advice(settings: Settings) -> list[str]:
    """Return a line for everything about the channels that works and could be better."""
    lines: list[str] = []
    for name in settings.otp_channels:
        with suppress(ValueError):  # a fault, so it is among those
            lines += _find(name, settings).advice(settings)
    return list(dict.fromkeys(lines))


def examine(settings: Settings, templates: Sequence[UsedTemplate] = ()) -> list[Diagnosis]:
    """Return what the providers of the channels say, each thing once. They are asked over the network.

    `templates`: what else messages use that these providers keep.
    Raises ValueError for a channel that is among the faults.
    """
    with closing(Parts(settings, templates)) as parts:
        found = (each for name in settings.otp_channels for each in _find(name, settings).examine(parts))
        return list(dict.fromkeys(found))


def _find(name: str, settings: Settings) -> type[ChannelClass] | _OwnClass:
    known = {name: entry.channel for name, entry in CHANNELS.items()}
    for model in settings.apis.values():
        known |= model.channels
    target = name if CLASS_PATH.fullmatch(name) else known.get(name, "")
    if not target:
        raise ValueError(f"OTP_CHANNELS: a channel is not known: use {', '.join(sorted(known))} or module:Class")
    try:
        found: Any = load_object(target, "channel")
    except ValueError as error:
        raise ValueError(f"OTP_CHANNELS: {error}") from error
    return _OwnClass(found, name) if ":" in name else found


class _OwnClass:
    """An operator's class of channels, which has `open`, and `faults` and `advice` where it likes."""

    def __init__(self, made_by: Any, name: str) -> None:
        self._class, self._name = made_by, name

    def open(self, parts: Parts) -> Channel:
        try:
            return _OwnChannel(isolated(lambda: self._class.open(parts)), self._name)
        except PluginFault as fault:
            raise ValueError(f"OTP_CHANNELS: {self._name} cannot be opened: {fault}") from fault.error
        except ValueError as error:
            raise ValueError(f"OTP_CHANNELS: {self._name} cannot be used: {error}") from error

    def by_name(self, _: Parts) -> tuple[Channel, ...]:
        return ()

    def faults(self, settings: Settings) -> list[str]:
        return self._lines("faults", settings)

    def advice(self, settings: Settings) -> list[str]:
        return self._lines("advice", settings)

    def examine(self, _: Parts) -> tuple[Diagnosis, ...]:
        return (Diagnosis(self._name, State.NOT_CHECKED, "a channel of your own", f"send a message: {COMMAND} send"),)

    def _lines(self, method_name: str, settings: Settings) -> list[str]:
        try:
            method = attribute(self._class, method_name)
            lines = isolated(lambda: list(method(settings))) if method else []
        except PluginFault as fault:
            raise ValueError(f"OTP_CHANNELS: {self._name}.{method_name} cannot be called: {fault}") from fault.error
        except ValueError as error:
            raise ValueError(f"OTP_CHANNELS: {self._name}: {error}") from error
        if not all(isinstance(line, str) for line in lines):
            raise ValueError(f"OTP_CHANNELS: {self._name}.{method_name} must return a list of texts")
        return lines


class _OwnChannel(Guarded):
    """A channel of an operator. A message whose delivery goes wrong may have left."""

    deliver: Any
    ping: Any
    close: Any

    def __init__(self, channel: object, name: str) -> None:
        super().__init__(channel, f"OTP_CHANNELS {name}", CONTRACT)
        self.name, self.landlines = attribute(channel, "name"), attribute(channel, "landlines")
        if not (isinstance(self.name, str) and self.name and isinstance(self.landlines, bool)):
            raise ValueError("its name must be a text, and its landlines True or False")
        self.reports_arrival = attribute(channel, "reports_arrival") is True
        self.arrives_at_once = attribute(channel, "arrives_at_once") is True
        self.error_pages = _web_address(attribute(channel, "error_pages"))


def _web_address(text: object) -> str:
    """Return an address that a page may lead to; anything else is none."""
    return text if isinstance(text, str) and text.startswith("https://") else ""


MOST = 10**9  # a provider's error number, and seconds of a wait; Python writes out no number of 4,301 digits


def _is_delivery(answer: Any) -> bool:
    return (
        isinstance(answer, Delivery)
        and answer.outcome in set(Outcome)
        and answer.reason in {None, *Reason}
        and type(answer.provider_id) is str
        and type(answer.provider_code) in (int, type(None))
        and abs(answer.provider_code or 0) < MOST
        and (answer.retry_after is None or 0 <= answer.retry_after < MOST)
    )


UNEXPLAINED = Explanation(ErrorClass.UNKNOWN, "the channel does not explain this number", elsewhere=True)


def _is_explanation(answer: Any) -> bool:
    known = isinstance(answer, Explanation) and answer.error_class in set(ErrorClass)
    return known and type(answer.sentence) is type(answer.fact) is str and type(answer.elsewhere) is bool


def _down(fault: str) -> NoReturn:
    raise ChannelDown(f"The channel does not work ({fault})")


#: what a channel of an operator must have, and what replaces its faults
CONTRACT = {
    "deliver": Method(1, _is_delivery, instead=lambda _: Delivery(Outcome.UNKNOWN)),
    "ping": Method(0, lambda _: True, instead=_down, raises=(ChannelDown,)),
    "close": Method(0, lambda _: True, instead=lambda _: None),
    "explain": Method(1, _is_explanation, instead=lambda _: UNEXPLAINED, required=False),
    "new_code": Method(
        0, lambda code: code == "" or bool(CODE.fullmatch(code)), _down, raises=(ChannelDown,), required=False
    ),
}
