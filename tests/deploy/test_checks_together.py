"""Checks that arrive together are stored together, in each of several workers, and still one by one for their rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from tests.provider import Provider
from tests.rounds import rounds
from tests.running import RunningServer

AT_ONCE = 12


@pytest.mark.parametrize("workers", [1, 2])
def test_rules_hold_for_checks_that_arrive_together(tmp_path: Path, fake_twilio: Provider, workers: int) -> None:
    """Of right codes one is accepted; of wrong ones five are compared, and then the right one is not."""
    running = RunningServer(tmp_path, fake_twilio.url, WEB_CONCURRENCY=str(workers))
    with running, ThreadPoolExecutor(AT_ONCE) as pool:
        barrier = Barrier(AT_ONCE)

        def check(number: str, code: str) -> int:
            barrier.wait(30)
            return running.post("/verify-otp", {"phone_number": number, "otp": code}).status

        def checks(number: str, codes: Iterable[str]) -> Counter[int]:
            return Counter(pool.map(lambda code: check(number, code), codes))

        for n in range(rounds(5, 20)):
            right, wrong = (f"+9198124{kind}{n:04}" for kind in (1, 2))
            sent = [running.post("/send-otp", {"phone_number": number}).json for number in (right, wrong)]
            assert checks(right, [fake_twilio.code(right)] * AT_ONCE) == {200: 1, 400: AT_ONCE - 1}
            code = int(fake_twilio.code(wrong))
            assert checks(wrong, [f"{(code + 1 + k) % 10**6:06}" for k in range(AT_ONCE)]) == {400: AT_ONCE}
            assert running.post("/verify-otp", {"phone_number": wrong, "otp": f"{code:06}"}).status == 400
            ended = [running.call("GET", f"/verifications/{each['verification_id']}").json for each in sent]
            assert [(each["status"], each["attempts_left"]) for each in ended] == [
                ("approved", 5), ("max_attempts_reached", 0)
            ]  # fmt: skip
