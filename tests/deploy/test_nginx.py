"""deploy/nginx.conf: nginx reads it, and does with requests what it is there for."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from otp_app.web.client import is_id
from tests.conftest import require
from tests.provider import Provider
from tests.running import ROOT, RunningServer, free_port, wait_until
from tests.twilio import webhooks
from tests.web.documented import ENDPOINTS

#: What stands around a site, here without root's files and ports.
AROUND = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    include {folder}/site.conf;
}}
"""


NUMBER, SECRET = "919812345678", "s3cretW0rd"
FORM = "application/x-www-form-urlencoded"
BATCH = "/notifications/batch"
RECEIPT = "/callbacks/twilio/status/VE/VL"


class Asked(NamedTuple):
    """A request as the server behind nginx saw it."""

    method: str
    forwarded_for: str | None
    port: int  # of nginx's end of the connection
    id: str


class Upstream:
    """Stands for gunicorn: answers GET, and on POST closes the connection without a word."""

    def __init__(self, answer: bytes = b"") -> None:
        self.requests: list[Asked] = []
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.note()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.send_header("X-Request-ID", self.headers["X-Request-ID"])
                self.end_headers()
                self.wfile.write(answer)

            def do_POST(self) -> None:
                self.note()
                self.close_connection = True

            def note(self) -> None:
                head = self.headers
                asked = Asked(self.command, head["X-Forwarded-For"], self.client_address[1], head["X-Request-ID"])
                upstream.requests.append(asked)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def close(self) -> None:
        """End it."""
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Site:
    """The site of deploy/nginx.conf on free ports, with a certificate of its own."""

    def __init__(self, folder: Path, upstream: int) -> None:
        self.folder, self.plain, self.tls = folder, free_port(), free_port()
        self.command = [require("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
        subprocess.run([require("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj",
                        "/CN=otp.example.com", "-addext", "subjectAltName=DNS:otp.example.com",
                        "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True)
        site = (ROOT / "deploy/nginx.conf").read_text()
        for pattern, here in {
            r"server 127\.0\.0\.1:5000": f"server 127.0.0.1:{upstream}",
            r"listen 80;\n    listen \[::\]:80": f"listen 127.0.0.1:{self.plain}",
            r"listen 443 ssl;\n    listen \[::\]:443": f"listen 127.0.0.1:{self.tls}",
            r"/etc/letsencrypt\S+/fullchain.pem": f"{folder}/cert.pem",
            r"/etc/letsencrypt\S+/privkey.pem": f"{folder}/key.pem",
            r"/var/log/nginx/otp.log": f"{folder}/access.log",
        }.items():
            site, count = re.subn(pattern, here, site)
            assert count == 1, pattern
        (folder / "site.conf").write_text(site)
        (folder / "nginx.conf").write_text(AROUND.format(folder=folder))

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> http.client.HTTPResponse:
        """The answer to one request over TLS, its certificate checked."""
        trusted = ssl.create_default_context(cafile=self.folder / "cert.pem")
        raw = socket.create_connection(("127.0.0.1", self.tls), timeout=5)
        with raw, trusted.wrap_socket(raw, server_hostname="otp.example.com") as secure:
            return self.ask(secure, method, path, body, headers)

    def ask(self, sock: socket.socket, method: str, path: str, body: bytes | None = None,
            headers: dict[str, str] | None = None) -> http.client.HTTPResponse:  # fmt: skip
        """The answer to one request on a connection."""
        connection = http.client.HTTPConnection("otp.example.com")
        connection.sock = sock
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        answer.read()
        return answer

    def listens(self) -> bool:
        """Whether it takes connections."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.tls), timeout=1):
            return True
        return False


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """What nginx sends requests to."""
    upstream = Upstream()
    yield upstream
    upstream.close()


@pytest.fixture
def site(tmp_path: Path, upstream: Upstream) -> Iterator[Site]:
    """nginx, running."""
    with running_site(tmp_path, upstream.port) as site:
        yield site


@contextlib.contextmanager
def running_site(folder: Path, port: int) -> Iterator[Site]:
    """nginx in front of a port."""
    site = Site(folder, port)
    with subprocess.Popen(site.command, stderr=subprocess.DEVNULL) as nginx:
        try:
            wait_until(lambda: nginx.poll() is not None or site.listens(), "nginx")
            yield site
        finally:
            nginx.terminate()


def test_nginx_can_read_it(tmp_path: Path) -> None:
    """Without a warning."""
    tested = subprocess.run([*Site(tmp_path, 5000).command, "-t"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    expected = "syntax is ok|test is successful|could not open error log file"  # the last: its default one, if not root
    assert [line for line in tested.stderr.splitlines() if not re.search(expected, line)] == []


def test_plain_http_is_sent_to_https(site: Site) -> None:
    """To the server's own name, whatever the client calls it."""
    with socket.create_connection(("127.0.0.1", site.plain), timeout=5) as sock:
        answer = site.ask(sock, "GET", "/healthz?x=1", headers={"Host": "elsewhere.example"})
    assert (answer.status, answer.headers["Location"]) == (308, "https://otp.example.com/healthz?x=1")


@pytest.mark.parametrize(("method", "headers"), [
    ("POST", {}), ("DELETE", {}), ("GET", {"Authorization": "Bearer otp_x"}), ("GET", {"X-API-Key": "otp_x"}),
])  # fmt: skip
def test_a_client_of_plain_http_does_not_work(site: Site, method: str, headers: dict[str, str]) -> None:
    """It would follow to https and work, and show its key and codes to the network each time."""
    with socket.create_connection(("127.0.0.1", site.plain), timeout=5) as sock:
        answer = site.ask(sock, method, "/verifications/VE1", headers={"Host": "otp.example.com", **headers})
    assert (answer.status, answer.headers["Location"]) == (403, None)


def test_the_address_that_a_client_claims_is_replaced(site: Site, upstream: Upstream) -> None:
    """Not appended to."""
    site.call("GET", "/healthz", None, **{"X-Forwarded-For": "192.0.2.1"})
    assert [asked.forwarded_for for asked in upstream.requests] == ["127.0.0.1"]


UUID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
IDS = (UUID, "0123456789abcdef-own", "kfjbnamopcgdeaflhibkdnop", "a" * 16, "b._-" * 16, "a1234567890123456", "1" * 16,
       "a" * 15, "a" * 65, f"+{NUMBER}-abcdefgh", f"{NUMBER}-abcdefgh", "a-123456-b-and-more", f"{UUID}-1234",
       "with blanks in the middle", "abcdefghijklmnop\tq", "abcdefghijklmnopqé", "")  # fmt: skip


@pytest.mark.parametrize("given", IDS)
def test_a_request_has_one_id_in_both_logs_and_the_answer(site: Site, upstream: Upstream, given: str) -> None:
    """The client's own where the server takes that one too, else a new one: the server agrees with each."""
    answer = site.call("GET", "/healthz", None, **({"X-Request-ID": given} if given else {}))
    (line,), (asked,) = written(site, 1), upstream.requests
    assert is_id(asked.id)
    assert (asked.id == given) == is_id(given)
    assert [asked.id] == answer.headers.get_all("X-Request-ID") == [line.split()[-1]]


def test_answers_of_nginx_itself_have_an_id(site: Site) -> None:
    """One that is too large, and one that no server answered."""
    for answer in (site.call("POST", "/send-otp", b"x" * 20_000), site.call("POST", "/send-otp", b"{}")):
        assert answer.status in {413, 502}
        assert is_id(answer.headers["X-Request-ID"])


def test_browsers_must_stay_with_tls(site: Site) -> None:
    """On refusals too, and no answer tells nginx's version."""
    for answer in (site.call("GET", "/healthz"), site.call("POST", "/send-otp", b"x" * 20_000)):
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert answer.headers["Server"] == "nginx"


def test_a_large_body_stays_outside(site: Site, upstream: Upstream) -> None:
    """Over 16 KiB, 64 KiB of a receipt, and 256 KiB of a batch: 413, and the server never sees it."""
    assert site.call("POST", "/send-otp", b"x" * (16 * 1024 + 1)).status == 413
    assert site.call("POST", RECEIPT, b"x" * (64 * 1024 + 1)).status == 413
    assert site.call("POST", BATCH, b"x" * (256 * 1024 + 1)).status == 413
    assert upstream.requests == []
    site.call("POST", RECEIPT, b"x" * 64 * 1024)
    site.call("POST", BATCH, b"x" * 256 * 1024)
    assert [(asked.method, asked.forwarded_for) for asked in upstream.requests] == [("POST", "127.0.0.1")] * 2


def test_receipts_come_through_to_a_server_that_is_closed_to_all_else(
    tmp_path: Path, server: Callable[..., RunningServer], fake_twilio: Provider
) -> None:
    """docs/delivery.md: with this file as it is. Twilio's signature is over the name that the world knows."""
    fake_twilio.auto_deliver = False
    running = server(OTP_PUBLIC_URL="https://otp.example.com")
    sent = running.post("/send-otp", {"phone_number": f"+{NUMBER}"}).json
    message = fake_twilio.messages[0]
    url, form = message.form["StatusCallback"], webhooks.status_form(message.api, "undelivered", "30003")
    headers = {"X-Twilio-Signature": webhooks.sign("faketoken1234567", url, form), "Content-Type": FORM}
    with running_site(tmp_path, running.port) as site:
        for path, status in ((url.removeprefix("https://otp.example.com"), 204), ("/send-otp", 403)):
            assert site.call("POST", path, webhooks.urlencode(form).encode(), **headers).status == status
    (line,) = re.findall(r"```sh\n(curl .*/verifications/.*)\n```", (ROOT / "docs/delivery.md").read_text())
    given = {"API_KEY": "none is needed", "VERIFICATION_ID": sent["verification_id"], "PATH": os.environ["PATH"]}
    asked = ["sh", "-c", line.replace("127.0.0.1:5000", f"127.0.0.1:{running.port}")]
    shown = subprocess.run(asked, env=given, check=True, capture_output=True, text=True, timeout=60).stdout
    assert json.loads(shown)["sends"][0]["receipts"][0]["explanation"].startswith("The phone is off")


def test_connections_to_the_server_are_kept(site: Site, upstream: Upstream) -> None:
    """Two requests come over one."""
    for _ in range(2):
        assert site.call("GET", "/healthz").status == 200
    assert len({asked.port for asked in upstream.requests}) == 1


def test_a_post_is_never_repeated(site: Site, upstream: Upstream) -> None:
    """Not even on a kept connection that breaks, where nginx repeats a GET: a message would go out twice."""
    site.call("GET", "/healthz")
    assert site.call("POST", "/send-otp", b"{}").status == 502
    assert [asked.method for asked in upstream.requests] == ["GET", "POST"]


ROUTES = [(endpoint.method.upper(), re.sub(r"{\w+}", f"+{NUMBER}", endpoint.path)) for endpoint in ENDPOINTS]
ROUTES.append(("POST", f"/callbacks/twilio/status/+{NUMBER}/+{NUMBER}"))


def test_no_log_has_a_number_a_secret_or_an_address(site: Site) -> None:
    """Of requests for each route, for none, too large ones and broken ones; the log says which operation each was."""
    for method, path in ROUTES:
        for asked in (path, path.replace("+", "%2B")):
            site.call(method, f"{asked}?key={SECRET}&to=+{NUMBER}", None, Referer=f"https://x/{NUMBER}", Cookie=SECRET)
    lines = written(site, 2 * len(ROUTES))
    assert [line for line in lines if NUMBER in line or SECRET in line] == []
    assert {line.split()[2] for line in lines} >= {
        "/send-otp", "/v2/Services/SID/Verifications/ID", "/verifications/ID", "/api/phone/verify",
        "/notifications/ID",
        "/callbacks/twilio/status/ID/ID",
    }  # fmt: skip
    assert [line for line in lines if " other " in line] == []
    site.call("POST", f"/{NUMBER}/{SECRET}", f"{NUMBER}{SECRET}".encode() * 1000)
    site.call(SECRET.upper(), f"/{NUMBER}")
    for raw in (f"GET /{NUMBER} HTTP/9.9", f"{NUMBER} / {SECRET}", f"GET /{SECRET} HTTP/1.1\r\nX: {SECRET * 9000}"):
        for port in (site.plain, site.tls):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
                sock.sendall(f"{raw}\r\nHost: otp.example.com\r\n\r\n".encode())
                sock.recv(100)
    with socket.create_connection(("127.0.0.1", site.plain), timeout=5) as sock:
        site.ask(sock, "GET", f"/{NUMBER}?{SECRET}")
    written(site, 2 * len(ROUTES) + 2)
    logs = [path for path in site.folder.glob("*.log") if path.exists()]
    assert len(logs) == 2
    text = "\n".join(path.read_text() for path in logs)
    assert [mark for mark in (NUMBER, SECRET, SECRET.upper(), "client:") if mark in text] == []
    assert "\n127.0.0.1" not in f"\n{text}"


def written(site: Site, count: int) -> list[str]:
    """The lines of the log of requests, once there are so many."""
    log = site.folder / "access.log"
    wait_until(lambda: log.exists() and len(log.read_text().splitlines()) >= count, "lines in the log")
    return log.read_text().splitlines()
