"""A stand-in for Twilio's Messages resource: takes every message, after a delay of choice, and knows the codes."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs

from loop import Loop

ACCOUNT = "AC" + "0" * 32
REQUEST_LINE = f"POST /2010-04-01/Accounts/{ACCOUNT}/Messages.json HTTP/1.1".encode()
CODE = re.compile(r"(?<!\d)\d{4,10}(?!\d)")

MESSAGE = """\
{"account_sid": "%(account)s", "api_version": "2010-04-01", "body": "%(body)s", \
"date_created": "Sat, 21 Nov 2026 10:00:00 +0000", "date_sent": null, \
"date_updated": "Sat, 21 Nov 2026 10:00:00 +0000", "direction": "outbound-api", "error_code": null, \
"error_message": null, "from": "+15005550006", "messaging_service_sid": null, "num_media": "0", \
"num_segments": "1", "price": null, "price_unit": "USD", "sid": "%(sid)s", "status": "queued", \
"subresource_uris": {"media": "/2010-04-01/Accounts/%(account)s/Messages/%(sid)s/Media.json"}, "to": "%(to)s", \
"uri": "/2010-04-01/Accounts/%(account)s/Messages/%(sid)s.json"}"""


class StandIn:
    """Listens on a free port of the loopback address, over TLS where openssl can make it a certificate."""

    def __init__(self, loop: Loop, folder: Path) -> None:
        self.latency = 0.0  # seconds from a request to its answer
        self.codes: dict[str, str] = {}  # E.164 -> the code last sent there
        self.callbacks: list[tuple[str, str, str]] = []  # of each message that is to be reported on: URL, SID, E.164
        self.strange: list[str] = []  # first lines of requests that are no send
        self.bundle, self._tls = make_certificate(folder)  # bundle: the trusted certificates, this one's among them
        self._loop = loop
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        loop.read(self._listener, self._accept)

    @property
    def url(self) -> str:
        """Where the stand-in is reached."""
        return f"{'https' if self._tls else 'http'}://localhost:{self._listener.getsockname()[1]}"

    def answer(self, request_line: bytes, form: bytes) -> bytes:
        """Remember the code of one send and return the whole response."""
        if request_line != REQUEST_LINE:
            self.strange.append(request_line.decode("latin-1"))
            return response("404 Not Found", '{"code": 20404, "message": "Not found", "status": 404}')
        fields = {name: values[0] for name, values in parse_qs(form.decode()).items()}
        text = fields.get("ContentVariables") or fields["Body"]
        if found := CODE.search(text):
            self.codes[fields["To"].removeprefix("whatsapp:")] = found[0]
        sid = "SM" + os.urandom(16).hex()
        if callback := fields.get("StatusCallback"):
            self.callbacks.append((callback, sid, fields["To"]))
        body = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return response("201 Created", MESSAGE % {"account": ACCOUNT, "body": body, "sid": sid, "to": fields["To"]})

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.setblocking(False)
        if self._tls:
            client = self._tls.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        self._loop.read(client, _Client(self, self._loop, client).readable)


class _Client:
    """One kept-alive connection of the server under test."""

    def __init__(self, standin: StandIn, loop: Loop, client: socket.socket) -> None:
        self._standin, self._loop, self._socket = standin, loop, client
        self._received = b""

    def readable(self) -> None:
        """Take what has come, and answer once a request is whole."""
        try:
            while data := self._socket.recv(65536):
                self._received += data
                self._answer_whole_request()
            self._loop.close(self._socket)
        except (BlockingIOError, ssl.SSLWantReadError):
            return  # All that has come is read; TLS reads its handshake in the same call.
        except OSError:
            self._loop.close(self._socket)

    def _answer_whole_request(self) -> None:
        head, blank, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if not blank or len(body) < int(length[1] if length else 0):
            return
        self._received = b""
        answer = self._standin.answer(head.split(b"\r\n", 1)[0], body)
        if self._standin.latency:
            self._loop.later(self._standin.latency, lambda: self._send(answer))
        else:
            self._send(answer)

    def _send(self, answer: bytes) -> None:
        with suppress(OSError):  # The server gave up waiting: its own answer will say so.
            self._socket.sendall(answer)


def response(status: str, body: str) -> bytes:
    """Return an HTTP response with a JSON body."""
    content = body.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def make_certificate(folder: Path) -> tuple[Path | None, ssl.SSLContext | None]:
    """Return a bundle that trusts a fresh certificate for localhost, and its TLS context; nothing without openssl.

    The certificate joins the usual bundle, because the cost of loading that is part of what is measured.
    """
    if not shutil.which("openssl"):
        return None, None
    key, certificate, bundle = (folder / name for name in ("key.pem", "certificate.pem", "bundle.pem"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-addext", "keyUsage=critical,digitalSignature,keyCertSign", "-keyout", key, "-out", certificate],
        check=True, capture_output=True)
    usual = ssl.get_default_verify_paths().cafile
    bundle.write_text((Path(usual).read_text() if usual else "") + certificate.read_text())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return bundle, context
