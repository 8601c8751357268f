"""What a channel does: it takes a message and returns its delivery. Some providers check the code too."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol, runtime_checkable

from msgspec import Struct


class Content(Struct, frozen=True):
    """A template that a provider has approved, and the values of its placeholders."""

    sid: str
    variables: Mapping[str, str]


class Message(Struct, frozen=True):
    """A message for a phone."""

    to: str  # E.164
    code: str  # "" for a CodeChecker, whose provider makes it, and in a notification
    text: str  # the whole text, including the code; "" for a CodeChecker
    ttl: float  # seconds after which the message is no good any more
    send_id: str  # VL…: ours
    verification_id: str  # VE…, or NT… of a notification: ours
    locale: str = ""  # what the request asked for; only a CodeChecker still has to choose a text
    app_hash: str = ""  # of the Android app that reads it; only a CodeChecker still has to add it
    content: Content | None = None  # what to send in place of the text; only for a channel that takes templates


class Outcome(StrEnum):
    """What became of a message that was handed to a channel."""

    SENT = "sent"  # the provider took it
    REFUSED = "refused"  # the provider certainly did not take it, or says that it will not arrive
    UNKNOWN = "unknown"  # it may arrive: never send again by itself


class Reason(StrEnum):
    """Why a provider refused a message."""

    BAD_NUMBER = "bad_number"  # this number cannot get messages on this channel
    BLOCKED = "blocked"  # the provider or its settings do not allow this destination
    SUSPICIOUS = "suspicious"  # the provider takes this destination for fraud
    OPTED_OUT = "opted_out"  # the recipient asked for no more messages
    THROTTLED = "throttled"  # too many requests just now
    ACCOUNT = "provider_account"  # our account, sender or template is not in order
    AUTH = "provider_auth"  # our credentials were not accepted
    UNREACHABLE = "provider_unreachable"  # no connection, so certainly no message
    FAILED = "failed"  # taken, then reported as failed


class Delivery(Struct, frozen=True):
    """A channel's answer for one message."""

    outcome: Outcome
    provider_id: str = ""  # the provider's name for the message
    reason: Reason | None = None  # set when refused
    provider_code: int | None = None  # the provider's own error number, for the operator
    retry_after: float | None = None  # seconds, where the provider said so


class Channel(Protocol):
    """A way to send. One call hands over at most one message."""

    name: str  # the word that callers use: "sms", "whatsapp", …
    landlines: bool  # whether a fixed line can receive on it

    @abstractmethod
    def deliver(self, message: Message) -> Delivery:
        """Hand the message over within the channel's own deadline. Never raises for a provider's fault."""

    @abstractmethod
    def ping(self) -> None:
        """Raise ChannelDown while the channel is known not to work."""

    @abstractmethod
    def close(self) -> None:
        """Close connections."""


class ErrorClass(StrEnum):
    """Whom or what an error of a provider is about."""

    RECIPIENT = "recipient"  # this number, or this phone
    OPTED_OUT = "opted_out"  # the recipient wants no messages
    DESTINATION = "destination"  # the country or the prefix is not allowed
    TEMPLATE = "template"  # the template of the message
    SANDBOX = "sandbox"  # the recipient has not joined the provider's sandbox
    SENDER = "sender"  # the number or service that it was sent from
    ACCOUNT = "account"  # our account, our credentials or our request
    CARRIER = "carrier"  # the network of the recipient
    RATE = "rate"  # too many messages just now
    CONTENT = "content"  # the text
    FRAUD = "fraud"  # protection against fraud
    UNKNOWN = "unknown"


class Explanation(NamedTuple):
    """What an error number of a provider means for the operator."""

    error_class: ErrorClass
    sentence: str  # what happened, and what helps
    elsewhere: bool  # whether another channel can reach the recipient all the same
    fact: str = ""  # what happened, where nothing helps but another channel

    def told(self, channel: str, later: Iterable[str]) -> str:
        """Return the sentence for a message by this channel; `later`: the channels of those after it.

        It advises no other channel once one has been taken.
        """
        return self.fact if self.fact and any(name != channel for name in later) else self.sentence


@runtime_checkable
class Explains(Protocol):
    """A channel that knows what the error numbers of its provider mean."""

    @abstractmethod
    def explain(self, provider_code: int) -> Explanation:
        """Return the meaning of an error number; one that is not known has a meaning too."""


def explain(channels: Iterable[Channel], name: str, provider_code: int) -> Explanation | None:
    """Return what the channel of this name says of an error number; None where it says nothing."""
    named = (channel for channel in channels if channel.name == name and isinstance(channel, Explains))
    channel = next(named, None) if provider_code else None
    return channel.explain(provider_code) if channel else None


def error_pages(channel: Channel) -> str:
    """Return the address below which the provider of a channel explains each error number, "" without one."""
    return str(getattr(channel, "error_pages", ""))


def error_page(channels: Iterable[Channel], name: str, provider_code: int) -> str:
    """Return where the provider of the channel with this name explains an error number, "" without such a page."""
    pages = next((error_pages(channel) for channel in channels if channel.name == name), "")
    return f"{pages}{provider_code}" if pages and provider_code else ""


def arrives_at_once(channel: Channel) -> bool:
    """Return whether a channel says of itself (`arrives_at_once = True`) that what it took is where it has to be."""
    return getattr(channel, "arrives_at_once", False) is True


def reports_arrival(channel: Channel) -> bool:
    """Return whether a channel says of itself (`reports_arrival = True`) that receipts tell what is on the phone."""
    return getattr(channel, "reports_arrival", False) is True


def takes_templates(channel: Channel) -> bool:
    """Return whether a channel says of itself (`takes_templates = True`) that a notification is a Content there."""
    return getattr(channel, "takes_templates", False) is True


@runtime_checkable
class CodeMaker(Protocol):
    """A channel that makes codes."""

    def new_code(self) -> str:
        """Return a code of 4 to 10 digits, "" for one of the server's. Raises ChannelDown."""


class Maker(NamedTuple):
    """Who makes a code in place of this server."""

    provider: str
    length: int  # digits of its codes


class Finding(StrEnum):
    """What a provider says of an attempt at a code that it made."""

    RIGHT = "right"  # and used up by that
    WRONG = "wrong"
    GONE = "gone"  # nothing is pending there: it was used, canceled or has expired
    SPENT = "spent"  # the provider allows no more attempts
    NOT_ASKED = "not_asked"  # the provider certainly did not look at it
    UNKNOWN = "unknown"  # it may have: never ask again by itself


@runtime_checkable
class CodeChecker(Channel, Protocol):
    """A channel whose provider makes the code, and checks it.

    The provider has one pending verification of a number at most. Another message for it has the same code.
    """

    maker: Maker
    by_request: bool  # used only where a request names it

    @abstractmethod
    def check(self, name: str, attempt: str) -> Finding:
        """Ask once whether this is the code; `name` is the provider's id, or the number. Never raises."""

    @abstractmethod
    def end(self, name: str, *, approved: bool) -> bool:
        """End what is pending, as approved or canceled; whether certainly nothing is pending now. Never raises."""
