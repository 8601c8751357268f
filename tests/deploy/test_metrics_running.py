"""Metrics of four workers: they agree with what was asked, whatever becomes of the workers."""

from __future__ import annotations

import sqlite3
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from tests.monitoring.metrics.reading import Samples, read, value
from tests.phones import fresh_numbers
from tests.provider import Provider
from tests.rounds import rounds
from tests.running import RunningServer, wait_until

pytestmark = pytest.mark.slow

REQUESTS = rounds(600, 10_080)
CLIENTS = 8


def samples(server: RunningServer) -> Samples:
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=60) as answer:
        return read(answer.read().decode())


class Crowd:
    """People who each get a code, and end as their turn has it."""

    def __init__(self, server: RunningServer, provider: Provider) -> None:
        self._server, self._provider = server, provider
        self.requests = self.people = 0
        self._numbers = fresh_numbers()

    def come(self, requests: int) -> None:
        """Some of them at a time, until so many requests are made; each must be answered as it should."""
        turns = [self._approve, self._cancel, self._guess, self._resend]  # 3 + 2 + 6 + 4 requests
        people = requests // 15 * len(turns)
        with ThreadPoolExecutor(CLIENTS) as pool:
            for made in pool.map(lambda turn: turn(next(self._numbers)), turns * (people // len(turns))):
                self.requests += made
        self.people += people

    def assert_counted(self) -> None:
        """Each of their requests once, whichever worker is asked."""
        for _ in range(4):
            found, each = samples(self._server), self.people / 4
            assert value(found, "otp_http_requests_total", api="native") == self.requests
            assert value(found, "otp_http_request_duration_seconds_count", api="native") == self.requests
            assert value(found, "otp_verifications_started_total") == self.people
            assert value(found, "otp_messages_total", outcome="sent") == 5 * each
            assert value(found, "otp_messages_total") == 5 * each
            assert value(found, "otp_checks_total", result="wrong") == 5 * each
            assert value(found, "otp_checks_total", result="max_attempts_reached") == each
            assert value(found, "otp_approvals_total", channel="sms") == 2 * each
            assert value(found, "otp_canceled_total") == each
            assert value(found, "otp_provider_call_duration_seconds_count", call="deliver") == 5 * each

    def _send(self, number: str) -> str:
        answer = self._server.post("/send-otp", {"phone_number": number})
        assert answer.status == 200, answer
        return str(answer.json["verification_id"])

    def _check(self, id_: str, otp: str, status: int) -> None:
        assert self._server.post("/verify-otp", {"verification_id": id_, "otp": otp}).status == status

    def _approve(self, number: str) -> int:
        id_, code = self._send(number), self._provider.code(number)
        self._check(id_, wrong(code), 400)
        self._check(id_, code, 200)
        return 3

    def _cancel(self, number: str) -> int:
        assert self._server.call("DELETE", f"/verifications/{self._send(number)}").status == 200
        return 2

    def _guess(self, number: str) -> int:
        id_ = self._send(number)
        for _ in range(5):
            self._check(id_, wrong(self._provider.code(number)), 400)
        return 6

    def _resend(self, number: str) -> int:
        id_ = self._send(number)
        assert self._send(number) == id_
        self._check(id_, self._provider.code(number), 200)
        self._check(id_, self._provider.code(number), 400)  # it works once
        return 4


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"


def assert_agree(server: RunningServer, people: int) -> None:
    """What was counted is what the history has, once that has a row of everybody."""
    with closing(sqlite3.connect(server.folder / "otp-history.db")) as db:
        count = "SELECT count(*) FROM otp_history"
        wait_until(lambda: db.execute(count).fetchone() == (people,), "the history", every=0.1)
        outcomes = dict(db.execute("SELECT outcome, count(*) FROM otp_history GROUP BY outcome"))
        sends, attempts, approved = db.execute(
            "SELECT sum(sends), sum(attempts), sum(outcome = 'approved' AND channel = 'sms') FROM otp_history"
        ).fetchone()
    found = samples(server)
    assert value(found, "otp_verifications_started_total") == people
    assert value(found, "otp_messages_total") == sends
    assert value(found, "otp_checks_total", result="approved") == outcomes["approved"]
    assert value(found, "otp_approvals_total", channel="sms") == approved
    assert value(found, "otp_canceled_total") == outcomes["canceled"]
    last = value(found, "otp_checks_total", result="max_attempts_reached")
    assert last == outcomes["max_attempts_reached"]
    assert value(found, "otp_checks_total", result="wrong") + last == attempts


def test_four_workers_count_every_request(tmp_path: Path) -> None:
    """As the history has it. Nothing is lost by a worker that is killed, nor by a reload; a restart begins anew."""
    with Provider() as provider:
        settings = {"OTP_APIS": "native,metrics", "OTP_RESEND_GAPS": ""}
        server = RunningServer(tmp_path, provider.url, workers=4, patient=True, **settings)
        with server:
            crowd = Crowd(server, provider)
            crowd.come(REQUESTS // 4)
            server.kill_worker()
            wait_until(lambda: len(server.worker_pids()) == 4, "another worker")
            crowd.assert_counted()
            crowd.come(REQUESTS // 4)
            server.hup()
            crowd.assert_counted()
            crowd.come(REQUESTS // 2)
            crowd.assert_counted()
            assert_agree(server, crowd.people)
            begun = value(samples(server), "otp_start_time_seconds")
        with server:
            found = samples(server)
            assert value(found, "otp_http_requests_total", api="native") == 0
            assert value(found, "otp_start_time_seconds") > begun


def test_refused_messages_are_counted_as_the_history_has_them(tmp_path: Path) -> None:
    """Their verifications end without one that left."""
    settings = {"workers": 4, "patient": True, "OTP_APIS": "native,metrics"}
    with Provider() as provider, RunningServer(tmp_path, provider.url, **settings) as server:
        provider.fail(21211, times=6)
        for number in islice(fresh_numbers(), 6):
            assert server.post("/send-otp", {"phone_number": number}).status == 422
        with closing(sqlite3.connect(tmp_path / "otp-history.db")) as db:
            query = "SELECT outcome, error, count(*) FROM otp_history GROUP BY outcome, error"
            wait_until(lambda: db.execute(query).fetchall() == [("refused", "recipient", 6)], "the history", every=0.1)
        found = samples(server)
        assert value(found, "otp_messages_total", outcome="refused") == value(found, "otp_messages_total") == 6
        assert value(found, "otp_refusals_total", reason="bad_number") == 6
        assert value(found, "otp_rejections_total", api="native", error_type="bad_number") == 6


def test_metrics_that_a_reload_switches_on_are_of_all_workers(tmp_path: Path) -> None:
    """The memory is made before the new workers begin."""
    settings = {"workers": 4, "patient": True, "OTP_RESEND_GAPS": ""}
    with Provider() as provider, RunningServer(tmp_path, provider.url, **settings) as server:
        assert server.call("GET", "/metrics").status == 404
        (tmp_path / ".env").write_text("OTP_APIS=native,metrics\n", encoding="ascii")
        server.hup()
        crowd = Crowd(server, provider)
        crowd.come(30)
        crowd.assert_counted()
