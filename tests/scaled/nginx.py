"""The real nginx with the files of deploy/, in front of servers on free ports. Without TLS: test_nginx.py has that."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import require
from tests.running import ROOT, free_port, wait_until

#: What stands around a site, here without root's files and ports, and with a log of who served what.
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
    log_format served '$upstream_addr $status';
    include {folder}/site.conf;
}}
"""


class Nginx:
    """deploy/nginx.conf with deploy/nginx-upstream.conf."""

    def __init__(self, folder: Path, ports: Sequence[int]) -> None:
        folder.mkdir()
        self.folder, self.port, self.upstream = folder, free_port(), folder / "upstream.conf"
        self.command = [require("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "nginx.conf").write_text(AROUND.format(folder=folder))
        (folder / "site.conf").write_text(self._site())
        self.upstream.write_text(_upstream(ports))

    def _site(self) -> str:
        site = (ROOT / "deploy/nginx.conf").read_text()
        for pattern, here in {
            r"server 127\.0\.0\.1:5000;": f"include {self.upstream};",
            r"listen 80;\n    listen \[::\]:80;": f"listen unix:{self.folder}/plain;",
            r"listen 443 ssl;\n    listen \[::\]:443 ssl;": f"listen 127.0.0.1:{self.port};",
            r"    ssl_certificate \S+\n    ssl_certificate_key \S+\n": "",
            r"access_log /var/log/nginx/otp.log otp": f"access_log {self.folder}/served.log served",
        }.items():
            site, count = re.subn(pattern, here, site)
            assert count == 1, pattern
        return site

    @property
    def pid(self) -> int:
        """The process id of its master."""
        assert self._process is not None, "nginx was not started"
        return self._process.pid

    def workers(self) -> set[int]:
        """The process ids of its workers; those that end are among them until they have."""
        return {int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()}

    def start(self) -> None:
        """Start it; return when it takes connections."""
        self._process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._listens, f"nginx: {self.log()}")

    def stop(self) -> None:
        """End it."""
        if self._process:
            self._process.terminate()
            self._process.wait(10)

    def served(self) -> Counter[tuple[int, int]]:
        """How many requests each (port, status) has answered so far; of several servers asked, the last one."""
        lines = (self.folder / "served.log").read_text().splitlines()
        return Counter((int(line.split()[-2].rpartition(":")[2]), int(line.split()[-1])) for line in lines)

    def log(self) -> str:
        """What it complained of."""
        log = self.folder / "error.log"
        return log.read_text() if log.exists() else ""

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


def _upstream(ports: Sequence[int]) -> str:
    text = (ROOT / "deploy/nginx-upstream.conf").read_text()
    for port in ports:
        text, count = re.subn(r"server 10\.0\.0\.\d+:5000 ", f"server 127.0.0.1:{port} ", text, count=1)
        assert count == 1, "deploy/nginx-upstream.conf has fewer servers"
    return text
