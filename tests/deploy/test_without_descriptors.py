"""A worker that can open no file and no connection more: what needs one gets 503, and nothing is lost."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from otp_app.apis import APIS
from tests.provider import Provider
from tests.rounds import THOROUGH
from tests.running import WRITTEN_TO, RunningServer, wait_until
from tests.web.documented import BASIC, ENDPOINTS

NUMBER = "+919812345678"
ATTEMPTS = 5
REFUSED = b'{"detail":"Failed to send OTP via SMS"}\n'  # with 500: so the users API says that no channel took a message


class Kept:
    """A connection that the worker has accepted before."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=10)
        self._connection.connect()
        self._connection.auto_open = False

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        """The status and body of the answer."""
        data = body if isinstance(body, bytes | None) else json.dumps(body)
        self._connection.request(method, path, data, {"Content-Type": "application/json"} | headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def send(self) -> set[str]:
        """Send to numbers of several countries; return the kinds of errors."""
        numbers = NUMBER, "+33612345678", "+5511961234567", "+4915112345678"
        answers = [self.ask("POST", "/send-otp", {"phone_number": number}) for number in numbers]
        return {json.loads(body)["error_type"] for status, body in answers if status != 200}

    def ask_everything(self) -> Iterator[tuple[int, bytes]]:
        """Do each operation of each API with each of its examples."""
        for endpoint in ENDPOINTS:
            form = endpoint.media is not None and endpoint.media[0].endswith("urlencoded")
            headers = {"Content-Type": endpoint.media[0]} if endpoint.media else {}
            for body in endpoint.bodies() or [None]:
                data = urlencode(body).encode() if form else body
                yield self.ask(endpoint.method.upper(), endpoint.url(), data, Authorization=BASIC, **headers)


@contextmanager
def no_descriptor_left(pid: int, *, not_even_its_own: bool = False) -> Iterator[None]:
    """Another process gets EMFILE; `not_even_its_own`: in the place of one that it closes too."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    held = {int(descriptor.name) for descriptor in Path(f"/proc/{pid}/fd").iterdir()}
    lowest = 0 if not_even_its_own else next(number for number in range(len(held) + 1) if number not in held)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


#: the store, and what was asked before: /readyz has opened it
CASES = [("sqlite", "/healthz"), ("redis", "/readyz")]
MORE = [("sqlite", "/readyz"), ("redis", "/healthz")]


@pytest.mark.parametrize(("kind", "path"), [*CASES, *MORE] if THOROUGH else CASES)
def test_requests_without_descriptors_get_503(
    tmp_path: Path, fake_twilio: Provider, new_store: Callable[[str], str], kind: str, path: str
) -> None:
    """Or the answer that they would get otherwise. What was counted stays, and all works once there are some again."""
    (tmp_path / "users.csv").write_text("user_id,phone_number\nabc,+14155552671\n")
    settings = {"OTP_APIS": ",".join(APIS), "OTP_DIRECTORY_URL": "users.csv", "OTP_RESEND_GAPS": ""}
    settings |= WRITTEN_TO
    running = RunningServer(tmp_path, fake_twilio.url, store=new_store(kind), **settings)
    with running, ExitStack() as stack:
        id_ = running.post("/send-otp", {"phone_number": NUMBER}).json["verification_id"]
        code = fake_twilio.code(NUMBER)
        right = {"verification_id": id_, "otp": code}
        wrong = right | {"otp": "000000" if code != "000000" else "000001"}
        assert running.post("/verify-otp", wrong).status == 400
        running.hup()
        kept = stack.enter_context(closing(Kept(running.port)))
        assert kept.ask("GET", path)[0] == 200
        (worker,) = running.worker_pids()
        with no_descriptor_left(worker):
            counted = 1 + [kept.ask("POST", "/verify-otp", wrong)[0] for _ in range(2)].count(400)
            assert kept.send() <= {"store_unavailable", "provider_unreachable"}
            answers = [answer for answer in kept.ask_everything() if answer != (500, REFUSED)]
        assert {status for status, _ in answers if status >= 500} == {503}
        assert '"level": "ERROR"' not in running.log()
        wait_until(lambda: kept.ask("GET", "/readyz")[0] == 200, "the store")
        assert running.call("GET", f"/verifications/{id_}").json["attempts_left"] == ATTEMPTS - counted
        assert kept.send() == set()
        assert {status for status, _ in kept.ask_everything() if status >= 500} == set()
        assert running.post("/verify-otp", right).status == 200
        assert running.worker_pids() == [worker]


def test_a_worker_that_ended_is_replaced_as_soon_as_the_system_lets_it(tmp_path: Path, fake_twilio: Provider) -> None:
    """Meanwhile the others go on."""
    with RunningServer(tmp_path, fake_twilio.url, workers=2) as running:
        wait_until(lambda: len(running.worker_pids()) == 2, "both workers")
        with no_descriptor_left(running.pid, not_even_its_own=True):
            running.kill_worker()
            wait_until(lambda: "no worker can be started" in running.log(), "an attempt to replace it")
            (other,) = running.worker_pids()
            assert running.healthy()
        wait_until(lambda: len(running.worker_pids()) == 2, "its successor")
        assert other in running.worker_pids()
        assert '"exception"' not in running.log()
