"""Fill a store with pending verifications, as if so many people were just being asked for their code.

    python preload.py COUNT LIVE FILE    (in the environment of the server that is to be measured)

Sends go through the service to a channel that delivers nothing. FILE gets "number code" lines of the last LIVE ones.
"""

from __future__ import annotations

import secrets
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from turns import number

from otp_app import settings
from otp_app.core.codes import LedgerIds
from otp_app.core.delivery import Delivery, Message, Outcome
from otp_app.core.limits import Bulkhead
from otp_app.core.results import SendRequest
from otp_app.core.service import VerificationService
from otp_app.core.store import Store
from otp_app.core.texts import Texts
from otp_app.settings import keyring, policy
from otp_app.stores import open_store
from otp_app.system.clock import system_clock

THREADS = 16  # so that the store can commit in groups


class NullChannel:
    """A channel that takes every message and only remembers its code."""

    name = "sms"
    landlines = False

    def __init__(self) -> None:
        self.codes: dict[str, str] = {}

    def deliver(self, message: Message) -> Delivery:
        """Say that the message is sent."""
        self.codes[message.to] = message.code
        return Delivery(Outcome.SENT, "SM" + "0" * 32)

    def ping(self) -> None:
        """Always up."""

    def close(self) -> None:
        """Nothing to give up."""


def service(store: Store, channel: NullChannel) -> VerificationService:
    """The service with the settings' rules and keys."""
    chosen, _ = settings.read()
    keyring.ensure(chosen)
    keys, index_key = keyring.keys(chosen)
    ids, texts = LedgerIds(index_key, secrets.token_bytes), Texts("{code}", {}, "", "")
    return VerificationService(store, [channel], policy=policy.numbers(chosen), keys=keys, ids=ids, texts=texts,
                               clock=system_clock(), places=Bulkhead(THREADS))


def main(count: int, live: int, file: Path) -> None:
    """Send to the first `count` numbers."""
    channel = NullChannel()
    with closing(open_store(settings.read()[0].otp_store_url)) as store, ThreadPoolExecutor(THREADS) as pool:
        send = service(store, channel).send

        def send_share(first: int) -> None:
            for n in range(first, count, THREADS):
                send(number(n), SendRequest())

        list(pool.map(send_share, range(THREADS)))
    last = list(channel.codes.items())[-live:]
    file.write_text("".join(f"{phone} {code}\n" for phone, code in last))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
