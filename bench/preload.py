"""Fill a store with pending verifications, as if so many people were just being asked for their code.

    python preload.py COUNT LIVE FILE    (in the environment of the server that is to be measured)

Sends go through the service to a channel that delivers nothing. FILE gets "number code" lines of the last LIVE ones.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from turns import number

from otp_app import startup, wiring
from otp_app.channels.contract import ChannelClass, Parts
from otp_app.core.delivery import Delivery, Message, Outcome
from otp_app.core.results import SendRequest

THREADS = 16  # so that the store can commit in groups
OTHERS = {"OTP_CHANNELS": "preload:NullChannel", "OTP_HISTORY_URL": "off"}  # than those of the server


class NullChannel(ChannelClass):
    """A channel that takes every message and only remembers its code."""

    name = "sms"
    landlines = False

    def __init__(self) -> None:
        self.codes: dict[str, str] = {}

    @classmethod
    def open(cls, _: Parts) -> NullChannel:
        """Return a new one."""
        return cls()

    def deliver(self, message: Message) -> Delivery:
        """Say that the message is sent."""
        self.codes[message.to] = message.code
        return Delivery(Outcome.SENT, "SM" + "0" * 32)

    def ping(self) -> None:
        """Always up."""

    def close(self) -> None:
        """Nothing to give up."""


def main(count: int, live: int, file: Path) -> None:
    """Send to the first `count` numbers."""
    settings = startup.load({**os.environ, **OTHERS})
    with closing(wiring.build(settings)) as services, ThreadPoolExecutor(THREADS) as pool:
        send = services.verifications.send

        def send_share(first: int) -> None:
            for n in range(first, count, THREADS):
                send(number(n), SendRequest())

        list(pool.map(send_share, range(THREADS)))
        (channel,) = services.channels
    last = list(channel.codes.items())[-live:]
    file.write_text("".join(f"{phone} {code}\n" for phone, code in last))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
