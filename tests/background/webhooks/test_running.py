"""Real servers, and a receiver that checks with a library of Standard Webhooks."""

from __future__ import annotations

import http.server
import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from otp_app.core import outbox
from otp_app.core.moving import Searchable
from otp_app.stores import open_store
from tests.phones import fresh_numbers
from tests.provider import Provider
from tests.running import RunningServer, free_port, wait_until

pytestmark = pytest.mark.slow
SECRET = "whsec_" + b64encode(sha256(b"events").digest()).decode()
USUAL = ["verification.created", "message.sent", "verification.approved"]


class Receiver:
    """Takes events at a port, from `start` on; its status is what it answers."""

    def __init__(self) -> None:
        self.port, self.status = free_port(), 204
        self.taken: dict[str, dict[str, Any]] = {}
        self._server: http.server.ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events"

    def start(self) -> Receiver:
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                told = Webhook(SECRET).verify(body, dict(self.headers))
                if receiver.status == 204:
                    receiver.taken.setdefault(self.headers["webhook-id"], told)
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    def of(self, verification_id: str) -> list[str]:
        """What it heard of a verification, in order."""
        told = [one for one in list(self.taken.values()) if one["data"]["verification_id"] == verification_id]
        assert [one["data"]["number"] for one in told] == list(range(1, len(told) + 1))
        return [one["type"] for one in told]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.stop()


def approve(server: RunningServer, provider: Provider, number: str, checked_by: RunningServer | None = None) -> str:
    """Send, and check the code; return the id of the verification."""
    id_ = str(server.post("/send-otp", {"phone_number": number}).json["verification_id"])
    (code,) = (message.code for message in list(provider.messages) if message.api["to"] == number)
    answer = (checked_by or server).post("/verify-otp", {"phone_number": number, "otp": code})
    assert answer.status == 200
    return id_


def waiting(url: str) -> int:
    """How many events are in the outbox."""
    with closing(open_store(url)) as store:
        assert isinstance(store, Searchable)
        return sum(len(box.waiting) for _, box in outbox.boxes(store))


@pytest.mark.parametrize("kind", ["sqlite", "redis", "postgres"])
def test_servers_that_are_killed_while_the_receiver_is_away_lose_nothing(
    kind: str, tmp_path: Path, fake_twilio: Provider, new_store: Callable[[str], str], receiver: Receiver
) -> None:
    """Each verification is begun by one server and ended by another; then all are killed, and one starts again.

    That a message was sent is stored a moment after the answer, so the approval by another server may be first.
    """
    store, numbers = new_store(kind), fresh_numbers()
    settings = {"OTP_EVENTS_URL": receiver.url, "OTP_EVENTS_SECRETS": SECRET}
    with ExitStack() as running:
        servers = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            servers.append(RunningServer(tmp_path / name, fake_twilio.url, store=store, patient=True, **settings))
            running.callback(servers[-1].stop)
            servers[-1].start()
        ids = [approve(servers[n % 2], fake_twilio, next(numbers), servers[(n + 1) % 2]) for n in range(10)]
        wait_until(lambda: waiting(store) == len(USUAL) * len(ids), "all of them in the outbox")
        for server in servers:
            server.kill_all()
        receiver.start()
        servers[0].start()
        wait_until(lambda: all(sorted(receiver.of(id_)) == sorted(USUAL) for id_ in ids), "everything")


def test_a_receiver_that_answers_nothing_slows_no_request(
    server: Callable[..., RunningServer], fake_twilio: Provider, receiver: Receiver
) -> None:
    """It takes connections, and never answers."""
    with socket.create_server(("127.0.0.1", receiver.port), backlog=100):
        one = server(OTP_EVENTS_URL=receiver.url, OTP_EVENTS_SECRETS=SECRET)
        numbers = fresh_numbers()
        for _ in range(30):
            assert one.post("/send-otp", {"phone_number": next(numbers)}).status == 200
