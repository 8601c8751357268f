"""Slow clients end at nginx, and there is room for many of them, as docs/install.md says how."""

from __future__ import annotations

import contextlib
import re
import ssl
import subprocess
from pathlib import Path

import pytest

from otp_app.web.gunicorn import descriptors
from tests.conftest import require
from tests.deploy import slow
from tests.deploy.test_nginx import Site, Upstream
from tests.running import ROOT, wait_until

#: What each slow client sends once TLS stands, before it stops; None: it does not even begin with TLS.
SLOW = {
    "no TLS": None,
    "nothing": b"",
    "head": slow.HEAD[:20],
    "body": slow.HEAD + b"Content-Length: 9000\r\n\r\n{",
    "chunks": slow.HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    "no read": b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n",
}
#: Those that nginx does not close to make room.
HELD = {name: sent for name, sent in SLOW.items() if sent}
#: The lines of Debian's nginx.conf for which the documentation has others.
DEBIAN = "worker_processes auto;\nevents {\n\tworker_connections 768;\n\t# multi_accept on;\n}\n"


def as_documented(main: str) -> str:
    """Change it by the sed line of docs/install.md."""
    (script,) = re.findall(r"sed -i '(.*)' /etc/nginx/nginx.conf", (ROOT / "docs/install.md").read_text())
    return subprocess.run(["sed", script], input=main, text=True, capture_output=True, check=True).stdout


def patient_site(folder: Path, port: int) -> Site:
    """Nginx as documented, in one process, and so patient that no slow client is gone before this test's end."""
    site = Site(folder, port)
    main, around = folder / "nginx.conf", "events {}\n"
    assert around in main.read_text()
    main.write_text(as_documented(DEBIAN.replace("auto", "1")) + main.read_text().replace(around, ""))
    ours = folder / "site.conf"
    ours.write_text(re.sub(r"(_timeout) (5|10|30)s;", r"\1 100s;", ours.read_text()))
    return site


@pytest.mark.parametrize(("count", "kinds"), [(300, SLOW), (1000, HELD)], ids=["300", "1000"])
def test_slow_clients_end_at_nginx(tmp_path: Path, count: int, kinds: dict[str, bytes | None]) -> None:
    """The server sees whole requests only, and others are served at once, while all of them wait."""
    require("nginx")  # before a thread begins that only the end of the test ends
    descriptors.raise_limit()
    upstream = Upstream(answer=b"x" * 50_000)
    site = patient_site(tmp_path, upstream.port)
    tls = ssl.create_default_context(cafile=tmp_path / "cert.pem")
    with subprocess.Popen(site.command, stderr=subprocess.DEVNULL) as nginx, contextlib.ExitStack() as stack:
        stack.callback(upstream.close)
        stack.callback(nginx.terminate)
        wait_until(lambda: nginx.poll() is not None or site.listens(), "nginx")
        for number in range(count):
            sent = list(kinds.values())[number % len(kinds)]
            client = stack.enter_context(slow.connect(site.tls, number))
            if sent is not None:
                stack.enter_context(tls.wrap_socket(client, server_hostname="otp.example.com")).sendall(sent)
        for _ in range(3):
            assert site.call("GET", "/healthz").status == 200
    assert {asked.method for asked in upstream.requests} == {"GET"}
    assert len(upstream.requests) == count // len(kinds) + 3
