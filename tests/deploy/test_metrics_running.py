"""Metrics of four workers: they agree with what was asked, whatever becomes of the workers."""

from __future__ import annotations

import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.metrics.reading import Samples, read, value
from tests.phones import fresh_numbers
from tests.provider import Provider
from tests.rounds import rounds
from tests.running import RunningServer, wait_until

pytestmark = pytest.mark.slow

REQUESTS = rounds(600, 10_000)
CLIENTS = 8


def samples(server: RunningServer) -> Samples:
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=60) as answer:
        return read(answer.read().decode())


class Crowd:
    """People who each get a code, try a wrong one, then the right one."""

    def __init__(self, server: RunningServer, provider: Provider) -> None:
        self._server, self._provider = server, provider
        self.people, self._numbers = 0, fresh_numbers()

    def come(self, people: int) -> None:
        """All of them at once, as far as they have connections; each request must be answered as it should."""
        self.people += people
        with ThreadPoolExecutor(CLIENTS) as pool:
            for statuses in pool.map(self._story, [next(self._numbers) for _ in range(people)]):
                assert statuses == [200, 400, 200]

    def _story(self, number: str) -> list[int]:
        sent = self._server.post("/send-otp", {"phone_number": number})
        code = self._provider.code(number)
        wrong = f"{(int(code) + 1) % 1_000_000:06}"
        checks = [self._server.post("/verify-otp", {"phone_number": number, "otp": otp}) for otp in (wrong, code)]
        return [sent.status, *(check.status for check in checks)]

    def assert_counted(self) -> None:
        """Each of their requests once, whichever worker is asked."""
        for _ in range(4):
            found = samples(self._server)
            assert value(found, "otp_http_requests_total", api="native") == 3 * self.people
            assert value(found, "otp_http_request_duration_seconds_count", api="native") == 3 * self.people
            assert value(found, "otp_verifications_started_total") == self.people
            assert value(found, "otp_messages_total", outcome="sent") == self.people
            assert value(found, "otp_messages_total") == self.people
            assert value(found, "otp_checks_total", result="wrong") == self.people
            assert value(found, "otp_checks_total", result="approved") == self.people
            assert value(found, "otp_approvals_total", channel="sms") == self.people
            assert value(found, "otp_provider_call_duration_seconds_count", call="deliver") == self.people


def test_four_workers_count_every_request(tmp_path: Path) -> None:
    """Nothing is lost by a worker that is killed, nor by a reload, and only a restart begins anew."""
    with Provider() as provider:
        server = RunningServer(tmp_path, provider.url, workers=4, patient=True, OTP_APIS="native,metrics")
        with server:
            crowd = Crowd(server, provider)
            crowd.come(REQUESTS // 9)
            server.kill_worker()
            wait_until(lambda: len(server.worker_pids()) == 4, "another worker")
            crowd.assert_counted()
            crowd.come(REQUESTS // 9)
            server.hup()
            crowd.assert_counted()
            crowd.come(REQUESTS // 3 - 2 * (REQUESTS // 9))
            crowd.assert_counted()
            begun = value(samples(server), "otp_start_time_seconds")
        with server:
            found = samples(server)
            assert value(found, "otp_http_requests_total", api="native") == 0
            assert value(found, "otp_start_time_seconds") > begun


def test_metrics_that_a_reload_switches_on_are_of_all_workers(tmp_path: Path) -> None:
    """The memory is made before the new workers begin."""
    with Provider() as provider, RunningServer(tmp_path, provider.url, workers=4, patient=True) as server:
        assert server.call("GET", "/metrics").status == 404
        (tmp_path / ".env").write_text("OTP_APIS=native,metrics\n", encoding="ascii")
        server.hup()
        crowd = Crowd(server, provider)
        crowd.come(20)
        crowd.assert_counted()
