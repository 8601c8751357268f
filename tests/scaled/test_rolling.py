"""deploy/rolling-restart: all servers are restarted, and nobody notices."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import pytest

from tests.conftest import require
from tests.provider import Provider
from tests.rounds import rounds
from tests.running import ROOT, RunningServer, call, wait_until
from tests.scaled.conftest import StartFleet
from tests.scaled.fleet import FleetClients
from tests.scaled.nginx import Nginx

REQUESTS = rounds(600, 5000)
#: For the folder of a server by its port. It returns when the old process has ended; a Keeper starts the new one.
RESTART = 'cd "{folder}/$port" && old=$(cat pid) && kill "$old" && while kill -0 "$old" 2>&-; do sleep 0.05; done'


class Keeper:
    """Starts a server again whenever it ends, as systemd does, until the end of the context."""

    def __init__(self, server: RunningServer) -> None:
        self.server, self.starts, self._end = server, 0, threading.Event()
        self._thread = threading.Thread(target=self._keep)

    def __enter__(self) -> Keeper:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._end.set()
        self.server.term()
        self._thread.join()

    def _keep(self) -> None:
        while self.server.wait(600) is not None and not self._end.is_set():
            self.starts += 1
            self.server.start()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Stands for the first server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        yield listener


@pytest.fixture
def nginx(tmp_path: Path, listener: socket.socket) -> Iterator[Nginx]:
    """nginx with a list of three servers, of which two are not there."""
    nginx = Nginx(tmp_path / "nginx", [listener.getsockname()[1], 12, 1])
    nginx.start()
    yield nginx
    nginx.stop()


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A folder in which `noting` keeps the list of servers as each restart found it."""
    folder = tmp_path / "journal"
    folder.mkdir()
    return folder


def noting(nginx: Nginx, journal: Path) -> str:
    """A command that restarts nothing, and keeps the list."""
    return f'cp "{nginx.upstream}" "{journal}/$host:$port"'


def rolling(nginx: Nginx, restart: str, **variables: str) -> subprocess.Popen[str]:
    """The script, started as an operator would."""
    environment = {"PATH": os.environ["PATH"], "NGINX_PID": str(nginx.pid), "RELOAD": f"kill -HUP {nginx.pid}"}
    return subprocess.Popen(
        [ROOT / "deploy/rolling-restart", nginx.upstream, restart], env=environment | variables,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def finished(script: subprocess.Popen[str], timeout: float = 60) -> tuple[int, str]:
    """Its exit status and what it said last."""
    said, _ = script.communicate(timeout=timeout)
    return script.returncode, said.splitlines()[-1]


def servers(upstream: Path, which: str = "") -> list[str]:
    """The servers of a list; `which`: those with this word at the end of their line."""
    return re.findall(rf"^server ([^ ;]+).*{which};$", upstream.read_text(), re.MULTILINE)


def test_restarting_all_servers_under_load_fails_no_request(
    fleet: StartFleet, fake_twilio: Provider, tmp_path: Path
) -> None:
    """Not one of 5,000."""
    require("curl")
    running = fleet(GUNICORN_CMD_ARGS="--pid=pid")
    for server in running.servers:
        (tmp_path / str(server.port)).symlink_to(server.folder)
    clients = FleetClients(running, fake_twilio)
    with ExitStack() as kept:
        keepers = [kept.enter_context(Keeper(server)) for server in running.servers]
        with clients:
            clients.wait_for(100)
            said = finished(rolling(running.nginx, RESTART.format(folder=tmp_path)), timeout=180)
            wait_until(lambda: clients.done() >= REQUESTS, f"{REQUESTS} requests", 180)
    assert said == (0, "All servers are restarted.")
    assert [keeper.starts for keeper in keepers] == [1, 1, 1]
    assert clients.failed() == []
    assert clients.faults() == []


@pytest.mark.parametrize(("upstream", "said"), [
    (None, "cannot be read"), ("", "has no line of a server"), ("# server 10.0.0.1:8000;\n", "has no line of a server"),
])  # fmt: skip
def test_a_list_without_a_server_is_no_success(tmp_path: Path, upstream: str | None, said: str) -> None:
    path = tmp_path / "upstream.conf"
    if upstream is not None:
        path.write_text(upstream)
    script = subprocess.run(
        [ROOT / "deploy/rolling-restart", path, "true"], capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "NGINX_PID": str(os.getpid()), "RELOAD": "true"},
    )  # fmt: skip
    assert script.returncode == 1
    assert said in script.stderr


def test_a_server_is_left_out_while_it_restarts(nginx: Nginx, journal: Path) -> None:
    """It alone; in the end the list is what it was."""
    before = nginx.upstream.read_text()
    assert finished(rolling(nginx, noting(nginx, journal), HEALTHY="true"))[0] == 0
    found = {path.name: servers(path, " down") for path in journal.iterdir()}
    assert found == {server: [server] for server in servers(nginx.upstream)}
    assert nginx.upstream.read_text() == before


def test_an_address_of_ipv6_is_found(nginx: Nginx, journal: Path) -> None:
    """With its brackets, and with nothing after it."""
    nginx.upstream.write_text("server [::1]:1;\nserver [::1]:12;\n")
    assert finished(rolling(nginx, noting(nginx, journal), HEALTHY="true"))[0] == 0
    assert {path.name: servers(path, " down") for path in journal.iterdir()} == {
        "[::1]:1": ["[::1]:1"], "[::1]:12": ["[::1]:12"],
    }  # fmt: skip


def test_a_request_that_runs_is_waited_for(nginx: Nginx, journal: Path, listener: socket.socket) -> None:
    """No server is restarted while nginx waits for an answer to what it asked before."""
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(call(nginx.port, "GET", "/healthz").status))
    asking.start()
    asked, _ = listener.accept()
    old = nginx.workers()
    script = rolling(nginx, noting(nginx, journal), HEALTHY="true")
    wait_until(lambda: nginx.workers() - old, "the reload")
    time.sleep(0.5)  # the script looks every 0.1 s
    assert list(journal.iterdir()) == []
    with asked:
        asked.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert finished(script)[0] == 0
    asking.join()
    assert (answers, len(list(journal.iterdir()))) == ([200], 3)


def test_a_server_that_does_not_get_healthy_stays_out(nginx: Nginx, journal: Path) -> None:
    """And no other is touched; when it is repaired, the next run puts it back."""
    before, (first, second, _) = nginx.upstream.read_text(), servers(nginx.upstream)
    status, said = finished(rolling(nginx, noting(nginx, journal), HEALTHY='[ "$port" != 12 ]', LIMIT="5"))
    assert (status, said.partition(": ")[2]) == (1, f"{second}: not healthy after 5 s")
    assert {path.name for path in journal.iterdir()} == {first, second}
    assert servers(nginx.upstream, " down") == [second]
    assert finished(rolling(nginx, noting(nginx, journal), HEALTHY="true"))[0] == 0
    assert nginx.upstream.read_text() == before


def test_a_server_that_was_left_out_is_put_back_before_another_is_taken_out(nginx: Nginx, journal: Path) -> None:
    """Or of two servers none would be left."""
    first, second, third = servers(nginx.upstream)
    lines = nginx.upstream.read_text().splitlines(keepends=True)
    nginx.upstream.write_text("".join(line.replace(";", " down;") if f" {third} " in line else line for line in lines))
    assert finished(rolling(nginx, noting(nginx, journal), HEALTHY="true"))[0] == 0
    assert {path.name: servers(path, " down") for path in journal.iterdir()} == {
        first: [first], second: [second], third: [third],
    }  # fmt: skip


@pytest.mark.parametrize("variables", [{"RELOAD": "false"}, {"RELOAD": "true", "LIMIT": "1"}], ids=["fails", "hangs"])
def test_without_a_reload_nothing_is_restarted(nginx: Nginx, journal: Path, variables: dict[str, str]) -> None:
    """nginx would go on sending requests to a server that ends."""
    assert finished(rolling(nginx, noting(nginx, journal), **variables))[0] == 1
    assert list(journal.iterdir()) == []


def test_a_restart_that_fails_ends_it(nginx: Nginx) -> None:
    """The other servers go on."""
    assert finished(rolling(nginx, "exit 3"))[0] == 1
    assert servers(nginx.upstream, " down") == servers(nginx.upstream)[:1]


def test_the_script_explains_itself() -> None:
    """Where its two arguments are missing."""
    said = subprocess.run([ROOT / "deploy/rolling-restart"], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (64, "")
    assert "deploy/rolling-restart /etc/nginx/otp-upstream.conf 'ssh" in said.stderr
