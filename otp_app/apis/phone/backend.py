"""Messages through a class of the operator's own, of the shape that django-phone-verify gave to its back ends.

It has send_sms(number, message) and send_bulk_sms(numbers, message), and may have generate_message(code, context=None)
and generate_security_code(). As there, each use has a new object, so it need not be safe for threads.
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from otp_app.apis.phone.settings import PhoneSettings
from otp_app.channels.contract import ChannelClass, Parts
from otp_app.channels.twilio.settings import TwilioSettings
from otp_app.core.codes import CODE
from otp_app.core.delivery import Delivery, Message, Outcome, Reason
from otp_app.core.errors import ChannelDown
from otp_app.plugins.calls import Calls, NoRoom, Overdue
from otp_app.plugins.guarded import check_callable
from otp_app.plugins.isolation import PluginFault, isolated
from otp_app.plugins.loading import load_object

if TYPE_CHECKING:
    from otp_app.settings import Settings

CALLS_AT_ONCE = 64  # threads of a worker that may be inside the class, those that never come back included
NEEDED = ("send_sms", "send_bulk_sms")

_log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


def load_backend(dotted: str, options: Mapping[str, Any]) -> Any:
    """Return a new object of the class `package.module.Class`. Raises ValueError with one line, without the options."""
    module, _, name = dotted.rpartition(".")
    made_by = load_object(f"{module}:{name}", "back end")
    try:
        backend = isolated(made_by, **options)
    except PluginFault as fault:
        raise ValueError(f"{dotted} cannot be made with these OPTIONS: {type(fault.error).__name__}") from None
    if absent := [method for method in NEEDED if not callable(getattr(backend, method, None))]:
        raise ValueError(f"{dotted} has no {absent[0]}")
    check_callable(backend.send_sms, f"{dotted}.send_sms", 2)
    return backend


class BackendChannel(ChannelClass):
    """Hands each message to an object of such a class, and waits no longer than `timeout`.

    While CALLS_AT_ONCE calls hang, further messages fail at once.
    """

    name = "backend"
    landlines = False

    def __init__(self, backend: Callable[[], Any], timeout: float, calls_at_once: int = CALLS_AT_ONCE) -> None:
        self._backend, self._calls = backend, Calls("backend", timeout, calls_at_once)

    @classmethod
    def open(cls, parts: Parts) -> BackendChannel:
        """Return a channel over the BACKEND of PHONE_VERIFICATION."""
        chosen, limits = parts.settings.of(PhoneSettings).phone_verification, parts.settings.of(TwilioSettings)
        return cls(partial(load_backend, chosen.own_class, chosen.options), limits.twilio_timeout)

    @classmethod
    def faults(cls, settings: Settings) -> list[str]:
        """Return a line for what keeps the class from being used."""
        chosen = settings.of(PhoneSettings).phone_verification
        if not chosen.own_class:
            return ["PHONE_VERIFICATION: channel backend needs a BACKEND of your own, such as package.module.Class"]
        try:
            load_backend(chosen.own_class, chosen.options)
        except ValueError as error:
            return [f"PHONE_VERIFICATION: BACKEND: {error}"]
        return []

    def deliver(self, message: Message) -> Delivery:
        """Hand the message over. Once send_sms was called it may arrive, whatever that raised."""
        handed = threading.Event()

        def hand_over() -> None:
            backend = self._backend()
            text = _text(backend, message)
            handed.set()
            backend.send_sms(message.to, text)

        try:
            self._within_timeout(hand_over)
        except NoRoom:
            return Delivery(Outcome.REFUSED, reason=Reason.UNREACHABLE)
        except Overdue:
            return Delivery(Outcome.UNKNOWN)  # before send_sms too: it goes on, though nothing waits for it
        except PluginFault:
            return Delivery(Outcome.UNKNOWN) if handed.is_set() else Delivery(Outcome.REFUSED, reason=Reason.ACCOUNT)
        return Delivery(Outcome.SENT)

    def new_code(self) -> str:
        """Return a code of the class's own making, "" where it makes none. Raises ChannelDown if it cannot be one."""
        try:
            code = self._within_timeout(lambda: _code(self._backend()))
        except (NoRoom, Overdue, PluginFault):
            raise ChannelDown("No code could be made") from None
        if isinstance(code, str) and (not code or CODE.fullmatch(code)):
            return code
        _log.error("The back end's generate_security_code has not returned 4 to 10 digits")
        raise ChannelDown("No code could be made")

    def ping(self) -> None:
        """Raise ChannelDown while no more calls can be made."""
        if self._calls.full:
            raise ChannelDown("The back end does not answer")

    def close(self) -> None:
        """Return at once: such a class has nothing to close."""

    def _within_timeout(self, call: Callable[[], Answer]) -> Answer:
        """Return what the call does. Raises NoRoom, Overdue or PluginFault, and logs only its type:

        a text of the class's may have the number and the code in it.
        """
        try:
            return self._calls.make(call)
        except (NoRoom, Overdue, PluginFault) as error:
            raised = error.error if isinstance(error, PluginFault) else error
            _log.warning("The back end failed: %s", type(raised).__name__)
            raise


def _text(backend: Any, message: Message) -> str:
    """Return the class's own words, or the server's where it has none."""
    generate = getattr(backend, "generate_message", None)
    if generate is None:
        return message.text
    words = generate(message.code, context=None) if _takes_context(generate) else generate(message.code)
    if not isinstance(words, str | None):
        raise TypeError("generate_message has not returned a text")
    return words or message.text


def _code(backend: Any) -> Any:
    generate = getattr(backend, "generate_security_code", None)
    return generate() if generate else ""


def _takes_context(generate: Callable[..., Any]) -> bool:
    """Whether a generate_message has a context, as the original's has."""
    parameters = inspect.signature(generate).parameters.values()
    return any(parameter.name == "context" or parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
