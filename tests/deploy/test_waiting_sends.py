"""While sends wait for their provider, other requests go on."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.provider import Provider
from tests.running import RunningServer, wait_until

PLACES = 4


def numbers(count: int, first: int = 0) -> list[str]:
    """So many, each another one."""
    return [f"+9198123{first + n:05}" for n in range(count)]


def test_sends_that_wait_leave_threads_to_all_other_requests(tmp_path: Path, fake_twilio: Provider) -> None:
    """A send more is refused at once, checks and health are answered, and the sends that waited end well."""
    go_on = threading.Event()
    running = RunningServer(tmp_path, fake_twilio.url, OTP_THREADS=str(PLACES), TWILIO_TIMEOUT="12")
    with running, ThreadPoolExecutor(PLACES + 40) as pool:
        (number,) = numbers(1, first=90_000)
        assert running.post("/send-otp", {"phone_number": number}).status == 200
        code, before = fake_twilio.code(number), len(fake_twilio.posts)
        fake_twilio.on_message = lambda _: go_on.wait(12) and None
        try:
            waiting = [pool.submit(running.post, "/send-otp", {"phone_number": n}) for n in numbers(PLACES)]
            wait_until(lambda: len(fake_twilio.posts) == before + PLACES, "the sends at the provider")
            more = pool.map(lambda n: running.post("/send-otp", {"phone_number": n}), numbers(40, first=100))
            assert {(answer.status, answer.json["error_type"]) for answer in more} == {(503, "busy")}
            assert running.healthy()
            assert running.post("/verify-otp", {"phone_number": number, "otp": code}).status == 200
            assert not any(send.done() for send in waiting)
        finally:
            go_on.set()
        assert {send.result().status for send in waiting} == {200}
        assert len(fake_twilio.posts) == before + PLACES
