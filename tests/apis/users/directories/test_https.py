"""Users behind a web service, good and bad."""

import base64
import json
import logging
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest

from otp_app.apis.users.directories import https
from otp_app.apis.users.directories.https import HttpsDirectory
from otp_app.core.errors import DirectoryUnavailable
from tests.conftest import require

ANN = "+14155552671"


class Handler(BaseHTTPRequestHandler):
    """Answers what the test put into `answers` for a path: status, body, headers."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.path, self.client_address, dict(self.headers)))
        answer = self.server.answers.get(self.path, (404, b"{}", {}))
        if answer is None:
            self.close_connection = True
            return
        status, body, headers = answer
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """On a free port of this machine, in threads of its own."""

    request_queue_size = 256

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.seen = {}, []
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def end(self):
        self.shutdown()
        self.server_close()


@pytest.fixture
def server():
    found = Server()
    yield found
    found.end()


@pytest.fixture
def users(server):
    with closing(HttpsDirectory(f"http://127.0.0.1:{server.port}/users/{{user_id}}")) as directory:
        yield directory


def test_a_host_alone_with_options_is_a_place_too(server):
    with closing(HttpsDirectory(f"http://127.0.0.1:{server.port}?id={{user_id}}")) as directory:
        assert directory.phone("ann") is None
    assert server.seen[0][0] == "/?id=ann"


def ok(body, **headers):
    return 200, body if isinstance(body, bytes) else json.dumps(body).encode(), headers


@pytest.mark.parametrize(("answer", "phone"), [
    (ok({"phone_number": ANN, "name": "Ann"}), ANN), (ok({"phone_number": f" {ANN}\n"}), ANN),
    (ok({"phone_number": None}), ""), (ok({"phone_number": ""}), ""), (ok({}), ""), ((404, b"<html>", {}), None),
])  # fmt: skip
def test_what_a_service_says(server, users, answer, phone):
    server.answers["/users/ann"] = answer
    assert users.phone("ann") == phone


@pytest.mark.parametrize("answer", [
    *((status, b"{}", {"Location": "/users/bob"}) for status in (201, 204, 301, 302, 307, 308)),
    *((status, b'{"phone_number": "+14155552671"}', {}) for status in (206, 400, 401, 403, 410, 429, 500, 503)),
    ok([ANN]), ok(ANN), ok(None), ok({"phone_number": 14155552671}), ok({"phone_number": [ANN]}), ok(b""),
    ok(b"<html>"), ok(b"\xff\xfe"), ok(b"[" * 60_000),
    ok(b'{"phone_number": "+14155552671"}' + b" " * https.MAX_ANSWER),
    ok(b'{"phone_number": "+1', **{"Content-Length": "1000"}, Connection="close"),
    ok({"phone_number": ANN}, **{"Transfer-Encoding": "chunked"}, Connection="close"), None,
], ids=lambda answer: str(answer)[:40])  # fmt: skip
def test_whatever_else_it_says(server, users, answer):
    """Is a fault: never somebody without a number, nor somebody else's."""
    server.answers |= {"/users/ann": answer, "/users/bob": ok({"phone_number": ANN})}
    with pytest.raises(DirectoryUnavailable, match="The directory is not available"):
        users.phone("ann")
    assert {path for path, *_ in server.seen} == {"/users/ann"}


IDS = ["a b", "a/b", "a?b#c", "a%2fb", "zoë", "a\r\nX: y", "ann@example.com", "...", "a\0"]


@pytest.mark.parametrize("user_id", IDS)
def test_an_id_stays_in_its_place(server, users, user_id):
    """Percent-encoded as a whole, whatever is in it."""
    assert users.phone(user_id) is None
    ((path, *_),) = server.seen
    assert path.startswith("/users/")
    assert not set(path.removeprefix("/users/")) & set("/?# \r\n")
    assert unquote(path) == f"/users/{user_id}"


@pytest.mark.parametrize("user_id", ["", ".", "..", "../admin", "a/../../b", "a\\..\\b", "/a", "a//b", "\ud800",
                                     "%2e%2e%2fadmin", "..%2fadmin"])  # fmt: skip
def test_an_id_that_would_be_another_place(server, users, user_id):
    """Servers decode before they look for dots: nobody has such an id, so it is not asked for."""
    assert users.phone(user_id) is None
    assert server.seen == []


def test_the_id_in_the_query(server):
    """The rest of the URL stays as it is."""
    server.answers["/find?id=a%26b&full=1"] = ok({"phone_number": ANN})
    with closing(HttpsDirectory(f"http://127.0.0.1:{server.port}/find?id={{user_id}}&full=1")) as users:
        assert users.phone("a&b") == ANN


def test_a_login_travels_as_basic(server):
    with closing(HttpsDirectory(f"http://otp:p%40s%C3%A9@127.0.0.1:{server.port}/{{user_id}}")) as users:
        assert users.phone("ann") is None
    ((_, _, headers),) = server.seen
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode() == "otp:p@sé"


def test_without_a_login(server, users, monkeypatch):
    """Nothing is sent that nobody wrote, and the environment's proxies have no say."""
    monkeypatch.setenv("http_proxy", "http://otp:secret@127.0.0.1:1")
    assert users.phone("ann") is None
    assert "Authorization" not in server.seen[0][2]


def test_connections_are_kept(server, users):
    """After every answer that was read to its end, 404 and faults too."""
    server.answers |= {"/users/ann": ok({"phone_number": ANN}), "/users/bad": (500, b"{}", {})}
    for user_id in ("ann", "nobody", "bad", "ann"):
        with suppress(DirectoryUnavailable):
            users.phone(user_id)
    assert len({client for _, client, _ in server.seen}) == 1


def test_many_threads(server, caplog):
    """All are answered, each with its own user's number; and no id is in the log."""
    caplog.set_level(logging.DEBUG)
    names = [f"user{n}" for n in range(200)]
    server.answers |= {f"/users/{name}": ok({"phone_number": name}) for name in names}
    users = HttpsDirectory(f"http://127.0.0.1:{server.port}/users/{{user_id}}", timeout=60)
    with closing(users), ThreadPoolExecutor(64) as threads:
        assert list(threads.map(users.phone, names)) == names
    assert not [record for record in caplog.records if "user1" in record.getMessage()]


# ---- a server that answers byte by byte, or not at all


@pytest.fixture
def listener():
    """A socket that listens; a test talks on it as it likes."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        found.settimeout(10)
        yield found


def at(listener):
    return f"http://127.0.0.1:{listener.getsockname()[1]}/{{user_id}}"


def assert_unavailable(why, url, **how):
    """The directory at this URL says nothing of ann but why."""
    with closing(HttpsDirectory(url, **how)) as users, pytest.raises(DirectoryUnavailable, match=why):
        users.phone("ann")


def talk(listener, *turns):
    """Accept, and for each request send what the turn says; then close. Returns the thread."""

    def run():
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            for turn in turns:
                connection.recv(65536)
                turn(connection)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def drip(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X: y\r\n")
        time.sleep(0.02)


def drip_body(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\nConnection: close\r\n\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.02)


def silence(connection):
    connection.recv(1)


@pytest.mark.parametrize("how", [drip, drip_body, silence])
def test_a_slow_service_is_not_waited_for(listener, how):
    """The time is that of the whole look-up: each of these would be within it at every single step."""
    thread = talk(listener, how)
    assert_unavailable("no answer in time", at(listener), timeout=0.2)
    thread.join(5)
    assert not thread.is_alive(), "the connection is still open"


def answer_ann(connection):
    """A good answer on a connection that is to be kept."""
    body = json.dumps({"phone_number": ANN}).encode()
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def test_a_connection_that_is_closed_when_used_again(listener):
    """As servers do with idle ones: the look-up is made on a new one."""
    users = HttpsDirectory(at(listener))
    with closing(users):
        first = talk(listener, answer_ann, lambda connection: None)
        assert users.phone("ann") == ANN
        second = threading.Thread(target=lambda: talk(listener, answer_ann).join())
        second.start()
        assert users.phone("ann") == ANN
        first.join()
        second.join()


def early(connection):
    connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    time.sleep(0.1)
    answer_ann(connection)
    connection.recv(65536)


def test_an_answer_that_comes_after_hints_is_no_answer_for_the_next_user(listener):
    """The connection is closed, so that no code for one user goes to the number of another."""
    for _ in range(4):
        talk(listener, early)
    users = HttpsDirectory(at(listener))
    with closing(users):
        for user in ("ann", "bob"):
            with pytest.raises(DirectoryUnavailable, match="no connection, or it broke"):
                users.phone(user)


def endless(opening, more):
    def go_on(connection):
        connection.sendall(opening)
        while True:
            connection.sendall(more)

    return go_on


ENDLESS = {
    "informational": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "negative": endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", b" " * 60_000),
    "trailers": endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n" * 1000),
}


@pytest.mark.parametrize("how", ENDLESS.values(), ids=ENDLESS)
def test_an_answer_without_end_is_not_kept(listener, how):
    """Not even where its body has no length to go by: a gigabyte would fit into two seconds."""
    for _ in range(2):
        talk(listener, how)
    assert_unavailable("no connection, or it broke", at(listener))


def test_a_chunk_of_negative_length_is_a_fault_of_the_directory(listener):
    talk(listener, lambda connection: connection.sendall(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n12345\r\n0\r\n\r\n"))  # fmt: skip
    assert_unavailable("its answer cannot be read", at(listener))


NONSENSE = [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 999999 x\r\n\r\n", b"HTTP/1.1 200 " + b"x" * 70_000]


@pytest.mark.parametrize("nonsense", NONSENSE, ids=["ssh", "status", "long"])
def test_what_is_no_http(listener, nonsense):
    talk(listener, lambda connection: connection.sendall(nonsense))
    talk(listener, lambda connection: connection.sendall(nonsense))
    assert_unavailable("no connection, or it broke", at(listener))


def test_no_service_at_all(listener):
    url = at(listener)
    listener.close()
    assert_unavailable("no connection", url)


def test_a_host_without_an_address():
    assert_unavailable("no connection", "https://directory.invalid/{user_id}")


def test_all_addresses_share_the_time(monkeypatch):
    given = []

    def hang(address, timeout):
        given.append(timeout)
        time.sleep(0.05)
        raise TimeoutError

    addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{n}", 443)) for n in range(50)]
    monkeypatch.setattr(https.socket, "getaddrinfo", lambda *_, **__: addresses)
    monkeypatch.setattr(https.socket, "create_connection", hang)
    assert_unavailable("no answer in time", "https://directory.invalid/{user_id}", timeout=0.2)
    assert len(given) < 10
    assert given == sorted(given, reverse=True)


# ---- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for localhost that nobody vouches for, with its key."""
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        [require("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", file, "-out", file.with_name("certificate.pem"), "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    file.write_text(file.read_text() + file.with_name("certificate.pem").read_text())
    return file


@pytest.fixture
def tls_server(server, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.handle_error = lambda *_: None
    server.answers["/ann"] = ok({"phone_number": ANN})
    return server


def test_a_certificate_that_nobody_vouches_for(tls_server):
    """Nothing is asked there."""
    assert_unavailable("certificate", f"https://localhost:{tls_server.port}/{{user_id}}")
    assert tls_server.seen == []


def test_a_certificate_of_ones_own(tls_server, certificate, monkeypatch):
    """SSL_CERT_FILE names the authority to trust; the name in the certificate has to be the host's all the same."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_name("certificate.pem")))
    with closing(HttpsDirectory(f"https://localhost:{tls_server.port}/{{user_id}}")) as users:
        assert [users.phone("ann"), users.phone("nobody")] == [ANN, None]
    assert len({client for _, client, _ in tls_server.seen}) == 1
    assert_unavailable("certificate", f"https://127.0.0.1:{tls_server.port}/{{user_id}}")


def test_a_file_of_authorities_that_is_missing_is_a_fault(tmp_path, monkeypatch):
    """Otherwise the system's folder of certificates would do."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with pytest.raises(ValueError, match="SSL_CERT_FILE: "):
        HttpsDirectory("https://localhost/{user_id}")


def test_an_answer_that_names_a_number_twice_is_a_fault():
    with pytest.raises(DirectoryUnavailable, match="not what was agreed"):
        https._phone(b'{"phone_number": "+14155552671", "phone_number": "+14155552672"}')


@pytest.mark.parametrize("user_id", ["..;", "a/..;x=1/b", "%2e%2e;", ";"])
def test_an_id_that_names_another_place_behind_a_semicolon_is_not_asked_for(user_id):
    """Servers that know path parameters read `..;` as `..`."""
    assert not https._names_one(user_id)
