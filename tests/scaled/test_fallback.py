"""Three servers on one store, two of them killed: the next channel follows silence once, and it does follow."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.phones import fresh_numbers
from tests.provider import Provider
from tests.running import RunningServer, wait_until

pytestmark = pytest.mark.slow
AFTER = 5.0  # seconds of silence, the fewest that may be set
LEASE = 20.0
NUMBERS = 24


class Trio:
    """The servers; receipts come to the first one, which lives."""

    def __init__(self, folder: Path, provider: Provider, store: str) -> None:
        self.provider = provider
        settings = {
            "OTP_CHANNELS": "whatsapp,sms", "OTP_FALLBACK_AFTER": str(AFTER), "TWILIO_WHATSAPP_NUMBER": "+14155238886",
            "TWILIO_CONTENT_SID": "HX" + "2" * 32,
        }  # fmt: skip
        self.servers = []
        for number in range(3):
            (folder / str(number)).mkdir()
            server = RunningServer(folder / str(number), provider.url, store=store, patient=True, **settings)
            server.environment["OTP_PUBLIC_URL"] = self.servers[0].url if self.servers else server.url
            self.servers.append(server)

    def send(self, number: str, to: int) -> str:
        """Send by WhatsApp, which then says nothing of the message; return the id of the verification."""
        self.provider.script(f"whatsapp:{number}", "sent")
        answer = self.servers[to].post("/send-otp", {"phone_number": number})
        assert answer.json["channel"] == "whatsapp"
        return str(answer.json["verification_id"])

    def steps(self, verification_id: str) -> list[tuple[str, str]]:
        """What the one that lives shows of a verification."""
        sends = self.servers[0].call("GET", f"/verifications/{verification_id}").json["sends"]
        return [(send["channel"], send["delivery"]) for send in sends]

    def texts(self, number: str) -> list[str | None]:
        """The codes that came by SMS."""
        return [message.code for message in list(self.provider.messages) if message.api["to"] == number]


def kill(server: RunningServer, at: float) -> None:
    """SIGKILL to a server, at a time of the monotonic clock."""
    threading.Timer(max(at - time.monotonic(), 0.0), server.kill_all).start()


@pytest.mark.parametrize("kind", ["redis", "postgres"])
def test_silence_is_followed_once_whoever_is_killed(
    kind: str, tmp_path: Path, fake_twilio: Provider, new_store: Callable[[str], str]
) -> None:
    """One dies while it waits, and one while messages are due. What a killed server had counted is not sent again."""
    chance, numbers = random.Random(kind), fresh_numbers()
    trio = Trio(tmp_path, fake_twilio, new_store(kind))
    with ExitStack() as running:
        for server in trio.servers:
            running.enter_context(server)
        begun = time.monotonic()
        asked = [next(numbers) for _ in range(NUMBERS)]
        sent = {number: trio.send(number, n % 3) for n, number in enumerate(asked)}
        spent = time.monotonic() - begun
        kill(trio.servers[1], begun + spent + chance.uniform(0.0, AFTER - spent))
        kill(trio.servers[2], begun + AFTER + chance.uniform(0.0, spent))

        def followed() -> bool:
            return all(len(trio.steps(sent[number])) == 2 for number in asked)

        wait_until(followed, "all second messages", AFTER + 2 * LEASE, every=0.3)
        fake_twilio.drain()
        once = [number for number in asked if len(trio.texts(number)) == 1]
        for number in asked:
            first = fake_twilio.code_for(f"whatsapp:{number}")
            assert trio.texts(number) in ([], [first])
            assert number in once or trio.steps(sent[number])[1] == ("sms", "pending")
        assert len(once) > NUMBERS // 2
