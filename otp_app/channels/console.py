"""Messages on a terminal, for a first look without any account."""

from __future__ import annotations

import secrets
import sys
from typing import TextIO

from otp_app.channels.contract import ChannelClass, Parts
from otp_app.core.delivery import Delivery, Message, Outcome


class ConsoleChannel(ChannelClass):
    """Writes each message to a stream as one line, number and code included."""

    name = "console"
    landlines = False
    arrives_at_once = True  # whoever reads the terminal has the code

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream  # None: what standard output is at the moment

    @classmethod
    def open(cls, parts: Parts) -> ConsoleChannel:  # noqa: ARG003  it needs nothing
        """Return a channel that writes to standard output."""
        return cls()

    def deliver(self, message: Message) -> Delivery:
        """Write the message; unknown where the stream is broken."""
        line, stream = " ".join(message.text.splitlines()), self._stream or sys.stdout
        encoding = stream.encoding or "utf-8"  # of the terminal's locale, which may not have every letter
        try:
            stream.write(f"console: to {message.to}: {line}\n".encode(encoding, "backslashreplace").decode(encoding))
            stream.flush()
        except OSError:
            return Delivery(Outcome.UNKNOWN)
        return Delivery(Outcome.SENT, f"console-{secrets.token_hex(8)}")

    def ping(self) -> None:
        """Return at once: a terminal is never known to be down."""

    def close(self) -> None:
        """The stream stays open: it is not ours."""
