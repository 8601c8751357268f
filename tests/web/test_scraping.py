"""/metrics of a process without another HTTP server: who may read it, and that no reader stops another one."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from otp_app.settings import Settings
from otp_app.settings.types import api_keys, proxies
from otp_app.system.logs import JsonLines
from otp_app.web import scraping
from otp_app.web.scraping import Scraping
from tests.running import free_port
from tests.web.site import api_key

KEYS = api_keys(f"{api_key('shop', 'send+verify', 'shop')},{api_key('monitor', 'metrics', 'monitor')}")
PAGE = "# HELP\n"


@pytest.fixture
def open_scraping() -> Iterator[Callable[..., int]]:
    """Call it with settings to serve a page; it returns the port."""
    with ExitStack() as opened:

        def open_(page: Callable[[], str] = lambda: PAGE, **given: object) -> int:
            port = free_port()
            opened.enter_context(closing(Scraping(Settings(otp_metrics_port=port, **given), page)))
            return port

        yield open_


def get(port: int, path: str = "/metrics", host: str = "127.0.0.1", **headers: str) -> tuple[int, str]:
    """Status and text of an answer."""
    with closing(http.client.HTTPConnection(host, port, timeout=20)) as connection:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_this_machine_reads_it_where_there_are_no_keys(open_scraping) -> None:
    port = open_scraping()
    assert get(port) == get(port, "/metrics?x=1") == get(port, Host=f"localhost:{port}") == (200, PAGE)


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_a_proxy_on_this_machine_does_not(open_scraping, header: str) -> None:
    """It stands for callers from elsewhere."""
    assert get(open_scraping(), **{header: "203.0.113.9"})[0] == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", ""])
def test_a_web_page_that_gives_itself_this_address_does_not(open_scraping, host: str) -> None:
    """Another Host than that of this server."""
    assert get(open_scraping(), Host=host)[0] == 400


@pytest.mark.parametrize(("headers", "status"), [
    ({}, 401), ({"Authorization": "Bearer monitor"}, 200), ({"X-API-Key": "monitor"}, 200),
    ({"Authorization": "Bearer shop"}, 403), ({"Authorization": "Bearer wrong"}, 401),
    ({"Authorization": "Bearer monitor", "Host": "worker-1:9465"}, 200), ({"Authorization": "Basic bW9uaXRvcjo="}, 401),
])  # fmt: skip
def test_with_keys_it_needs_the_metrics_scope(open_scraping, headers: dict[str, str], status: int) -> None:
    """On this machine too, as at the server."""
    assert get(open_scraping(otp_api_keys=KEYS), **headers)[0] == status


def test_a_public_server_without_keys_shows_it_to_nobody(open_scraping) -> None:
    """As at the server: a proxy that sends nothing of its own would open it to the world."""
    assert get(open_scraping(otp_public=True))[0] == 401


def test_wrong_keys_are_few(open_scraping) -> None:
    port = open_scraping(otp_api_keys=KEYS)
    statuses = [get(port, Authorization="Bearer wrong")[0] for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    assert get(port, Authorization="Bearer monitor")[0] == 200


def test_a_client_behind_a_proxy_cannot_count_its_wrong_keys_for_another_one(open_scraping) -> None:
    """A proxy replaces X-Forwarded-For, and may pass X_Forwarded_For on."""
    port = open_scraping(otp_api_keys=KEYS, otp_trusted_proxies=proxies("127.0.0.1"))

    def ask(number: int) -> int:
        forged = {"X-Forwarded-For": "203.0.113.9", "X_Forwarded_For": f"198.51.100.{number}"}
        return get(port, Authorization="Bearer wrong", **forged)[0]

    assert [ask(number) for number in range(11)] == [401] * 10 + [429]


@pytest.mark.parametrize("path", ["/", "/metrics/", "/healthz", "/metric%73"])
def test_there_is_nothing_else(open_scraping, path: str) -> None:
    assert get(open_scraping(), path)[0] == 404


@pytest.mark.parametrize("raw", [
    b"POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"nonsense\r\n\r\n", b"GET /metrics HTTP/9.9\r\n\r\n", b"\0\r\n\r\n",
    b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
])  # fmt: skip
def test_what_cannot_be_read_gets_no_page_and_no_word_of_it_back(open_scraping, raw: bytes, capfd) -> None:
    """Nor any line in the log."""
    port = open_scraping()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        sock.sendall(raw)
        with sock.makefile("rb") as file:
            answer = file.read()
    assert PAGE.encode() not in answer
    assert b"nonsense" not in answer
    assert capfd.readouterr() == ("", "")
    assert get(port) == (200, PAGE)


@pytest.mark.parametrize("line", [b"X: " + b"a" * 60_000 + b"\r\n", b"X: a\r\n" * 40])
def test_a_long_head_is_not_read_to_its_end(open_scraping, line: bytes) -> None:
    """Six megabytes took 140 ms, before the key was looked at. What proxies wrote at its end counts."""
    head = b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + b"Y: " + b"a" * 16_300 + b"\r\n" + line
    with socket.create_connection(("127.0.0.1", open_scraping()), timeout=20) as client:
        client.sendall(head)
        assert client.recv(12) == b"HTTP/1.0 431"


def test_silent_readers_hold_up_nobody_for_long(open_scraping, monkeypatch) -> None:
    """They are cut off, so that there is a place again."""
    monkeypatch.setattr(scraping, "SECONDS", 0.2)
    port = open_scraping()
    with ExitStack() as silent:
        held = [silent.enter_context(socket.create_connection(("127.0.0.1", port), 20)) for _ in range(scraping.MOST)]
        assert [sock.recv(1) for sock in held] == [b""] * len(held)
        assert get(port) == (200, PAGE)


def test_without_a_free_descriptor_it_waits_and_then_answers(open_scraping, monkeypatch) -> None:
    """Other threads need the processor."""
    takes, pauses = scraping.socketserver.TCPServer.get_request, []
    failing = iter([OSError(24, "Too many open files")] * 3)

    def take(server: object) -> object:
        if error := next(failing, None):
            raise error
        return takes(server)

    monkeypatch.setattr(scraping.socketserver.TCPServer, "get_request", take)
    monkeypatch.setattr(scraping.time, "sleep", pauses.append)
    assert get(open_scraping()) == (200, PAGE)
    assert pauses == [scraping.PAUSE] * 3


@pytest.mark.parametrize("kind", ["Thread", "Timer"])
def test_where_no_thread_can_start_its_place_is_free_again(open_scraping, monkeypatch, kind: str) -> None:
    """A limit of tasks is short-lived; the places would be gone for good."""
    port, failing = open_scraping(), iter([RuntimeError("can't start new thread")] * (scraping.MOST + 1))
    start = getattr(scraping, kind).start

    def starts(thread: object) -> None:
        if type(thread).__name__ == kind and (error := next(failing, None)):
            raise error
        start(thread)

    monkeypatch.setattr(getattr(scraping, kind), "start", starts)
    for _ in range(scraping.MOST + 1):
        with socket.create_connection(("127.0.0.1", port), 20) as sock:
            assert sock.recv(1) == b""
    assert get(port) == (200, PAGE)


def test_a_defect_is_a_500_without_its_text(open_scraping, caplog) -> None:
    def broken() -> str:
        raise ValueError("+14155552671")

    caplog.handler.setFormatter(JsonLines())
    status, text = get(open_scraping(broken))
    assert status == 500
    assert "+1415" not in text + caplog.text


def test_it_listens_at_an_ipv6_address_too(open_scraping) -> None:
    try:
        port = open_scraping(otp_metrics_host="::1")
    except OSError:
        pytest.skip("no IPv6 here")
    assert get(port, host="::1") == (200, PAGE)
