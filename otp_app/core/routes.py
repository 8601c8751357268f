"""Routes: which channel a message may be followed by. Pure functions of what a ledger shows of earlier messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from otp_app.core.ledger import Send
from otp_app.core.receipts import DEAD


class Keeps(NamedTuple):
    """What a send keeps, so that a later channel can say the same."""

    locale: str
    profile: str  # names the texts and figures that made it


def dead_channels(sends: Sequence[Send]) -> set[str]:
    """Return the channels whose newest message here was given up by its provider."""
    newest = {send.channel: send for send in sends}
    return {name for name, send in newest.items() if send.receipts and send.receipts[-1].status in DEAD}


def living_first(channels: Sequence[str], sends: Sequence[Send]) -> tuple[str, ...]:
    """Return the channels with those last that are dead in these sends."""
    dead = dead_channels(sends)
    return tuple(sorted(channels, key=dead.__contains__))


def with_route(send: Send, following: Sequence[str], keeps: Keeps) -> Send:
    """Return a send with what its later channels need; as it is where there are none."""
    return replace(send, route=tuple(following), **keeps._asdict()) if following else send


def continued(before: Send, send_id: str, channel: str, at: float) -> Send:
    """Return the send that follows on another channel, with the rest of the route."""
    rest = before.route[before.route.index(channel) + 1 :] if channel in before.route else ()
    return with_route(Send(send_id, channel, at), rest, Keeps(before.locale, before.profile))
