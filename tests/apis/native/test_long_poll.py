"""GET /verifications/ID?wait=SECONDS: the answer as soon as there is news."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from otp_app.apis.native.state import Native
from otp_app.core.receipts import Receipt, Status
from otp_app.web.polling import MOST
from tests.running import RunningServer, wait_until
from tests.web.site import Site, wrong


class Poll:
    """A verification that is waited for on a site, whose clock goes on while it is."""

    def __init__(self, site: Site) -> None:
        self.site, self.number, self.paused = site, site.number(), 0.0
        self.sent = site.send(self.number).json
        self.code = site.code()
        self.path = f"/verifications/{self.sent['verification_id']}"
        self.meanwhile: dict[int, Callable[[], object]] = {}  # what happens in which second
        self.is_ending = False
        polls = site.app.extensions["otp_states"][Native].polls
        polls.pause = self._pause

    def _pause(self, seconds: float) -> bool:
        self.paused += seconds
        self.site.clock.advance(seconds)
        self.meanwhile.get(int(self.paused), int)()
        return self.is_ending

    def ask(self, query: str = "", **how: Any) -> Any:
        return self.site.call("GET", self.path + query, **how)

    def receive(self) -> None:
        (send,) = self.ask().json["sends"]
        receipt = Receipt(self.sent["verification_id"], send["id"], "SM1", Status.DELIVERED)
        assert self.site.services.verifications.receive(receipt)

    def resend(self) -> None:
        self.site.clock.advance(31)
        self.site.send(self.number)


@pytest.fixture
def poll(open_site: Callable[..., Site]) -> Poll:
    return Poll(open_site())


@pytest.mark.parametrize("news", ["receipt", "check", "end", "message", "approval"])
def test_it_is_answered_in_the_second_of_its_news(poll: Poll, news: str) -> None:
    """A receipt, a wrong code, an end or another message."""
    before = poll.ask().json
    poll.meanwhile[3] = {
        "receipt": poll.receive, "check": lambda: poll.site.verify(poll.number, wrong(poll.code)),
        "end": lambda: poll.site.call("DELETE", poll.path), "message": poll.resend,
        "approval": lambda: poll.site.verify(poll.number, poll.code),
    }[news]  # fmt: skip
    after = poll.ask("?wait=20").json
    assert poll.paused == 3
    assert after["version"] != before["version"]
    assert after == poll.ask().json


def test_the_end_of_its_life_is_news(poll: Poll) -> None:
    poll.site.clock.advance(295)
    assert poll.ask("?wait=20").json["status"] == "expired"
    assert poll.paused == 5


@pytest.mark.parametrize("seconds", [1, 2, 20])
def test_without_news_it_is_answered_after_its_seconds(
    poll: Poll, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is read at the beginning and once in each second."""
    store, reads = poll.site.services.store, []
    get = store.get
    monkeypatch.setattr(store, "get", lambda key: (reads.append(key), get(key))[1])
    answer = poll.ask(f"?wait={seconds}")
    assert (answer.status_code, poll.paused, len(reads)) == (200, seconds, seconds + 1)


@pytest.mark.parametrize("query", ["?wait=", "?wait=0", "?wait=21", "?wait=-1", "?wait=1.5", "?wait=%D9%A1",
                                   "?wait=1&wait=1", "?wait=01", "?wait=9%0A"])  # fmt: skip
def test_other_seconds_are_rejected(poll: Poll, query: str) -> None:
    answer = poll.ask(query)
    assert (answer.status_code, answer.json["error"]) == (400, "wait must be a whole number of seconds from 1 to 20")


def test_what_the_caller_has_not_seen_is_news(poll: Poll) -> None:
    """Nothing is lost between two polls: what happened since the answer with this version is answered at once."""
    version = poll.ask().json["version"]
    poll.receive()
    assert poll.ask(f"?wait=20&version={version}").json["sends"][0]["delivery"] == "delivered"
    assert poll.paused == 0
    version = poll.ask().json["version"]
    poll.ask(f"?wait=2&version={version}")
    assert poll.paused == 2


def test_what_is_forgotten_meanwhile_is_404(poll: Poll) -> None:
    poll.meanwhile[2] = lambda: poll.site.clock.advance(3900)
    assert poll.ask("?wait=20").status_code == 404


def test_a_stop_ends_it(poll: Poll) -> None:
    poll.meanwhile[1] = lambda: setattr(poll, "is_ending", True)
    assert poll.ask("?wait=20").status_code == 200
    assert poll.paused == 1


def test_a_client_that_went_away_is_not_waited_for(poll: Poll) -> None:
    """Its place is free a second later; one that sends its next request meanwhile is still there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    with ours, theirs:
        theirs.send(b"GET")
        poll.ask("?wait=3", **{"gunicorn.socket": ours})
        assert poll.paused == 3
        ours.recv(3)
        poll.meanwhile[5] = theirs.close
        poll.ask("?wait=20", **{"gunicorn.socket": ours})
    assert poll.paused == 5


def test_at_most_16_wait_at_once(poll: Poll) -> None:
    """One more is told to come back; each place is free again, whatever came of its poll."""
    path, polls = poll.path, poll.site.app.extensions["otp_states"][Native].polls
    poll.path = path[:-1]
    assert {poll.ask("?wait=1").status_code for _ in range(MOST + 1)} == {404}
    poll.path = path
    for _ in range(2):
        answers: list[Any] = []
        polls.pause = lambda _, answers=answers: answers.append(poll.ask("?wait=1")) or True  # one in each other
        answers.append(poll.ask("?wait=1"))
        assert [answer.status_code for answer in answers] == [429] + [200] * MOST
        assert (answers[0].headers["Retry-After"], answers[0].json["error_type"]) == ("1", "too_many_polls")


# ---- a running server


def waiting(running: RunningServer, path: str) -> socket.socket:
    """A connection that waits for news."""
    sock = socket.create_connection(("127.0.0.1", running.port), timeout=10)
    sock.sendall(f"GET {path}?wait=20 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return sock


def test_polls_take_no_place_of_others_and_end_with_the_server(server: Any) -> None:
    """16 wait while all else is answered; places of clients that left are taken again; SIGTERM answers the rest."""
    running = server(OTP_THREADS="1", OTP_CHANNELS="console")
    number = "+14155552671"
    sent = running.post("/send-otp", {"phone_number": number}).json
    path = f"/verifications/{sent['verification_id']}"
    with ExitStack() as stack:
        socks = [stack.enter_context(waiting(running, path)) for _ in range(MOST)]
        wait_until(lambda: running.call("GET", f"{path}?wait=1").status == 429, "all places taken")
        with ThreadPoolExecutor(32) as pool:
            checks = pool.map(lambda _: running.post("/verify-otp", {"phone_number": "+14155552672", "otp": "1234"}),
                              range(64))
            assert {check.status for check in checks} == {400}
        assert running.post("/send-otp", {"phone_number": "+14155552673"}).status == 200
        assert running.healthy()
        socks.pop().close()
        wait_until(lambda: running.call("GET", f"{path}?wait=1").status == 200, "a place")
        os.kill(running.pid, signal.SIGTERM)
        answers = [sock.recv(65_536) for sock in socks]
        assert {answer[:15] for answer in answers} == {b"HTTP/1.1 200 OK"}
        assert running.wait(5) == 0
