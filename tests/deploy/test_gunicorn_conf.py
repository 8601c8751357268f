"""gunicorn's configuration: its values and hooks. test_gunicorn_running.py has what gunicorn makes of it."""

from __future__ import annotations

import errno
import os
import runpy
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import KNOWN_SETTINGS, Config
from gunicorn.util import load_class
from gunicorn.workers.gthread import ThreadWorker

from otp_app import startup
from otp_app.serving import CONFIGURATION, replacing
from otp_app.serving.checks import reachable
from otp_app.settings.types import api_keys
from otp_app.startup import reloading
from tests.configuration import make_settings
from tests.deploy.conftest import Conf
from tests.running import ROOT

KEY = "shop:send:" + "0" * 64
SMS = {
    "OTP_CHANNELS": "sms", "TWILIO_ACCOUNT_SID": "AC" + "0" * 32, "TWILIO_AUTH_TOKEN": "faketoken1234567",
    "TWILIO_PHONE_NUMBER": "+15005550006",
}  # fmt: skip
SETTINGS = {setting.name for setting in KNOWN_SETTINGS}
FILES = [ROOT / "deploy/gunicorn.conf.py", CONFIGURATION]


def test_every_name_is_one_of_gunicorn(conf: Conf) -> None:
    """gunicorn ignores a name that it does not know, and so a misspelt one."""
    assert conf().keys() - SETTINGS == set()
    assert len(conf()) > 15


def test_gunicorn_takes_every_value(conf: Conf) -> None:
    """Each value passes gunicorn's own validation."""
    config = Config()
    for name, value in conf().items():
        config.set(name, value)


@pytest.mark.parametrize("file", FILES, ids=["checkout", "package"])
def test_a_file_has_the_settings_of_the_moment(conf: Conf, monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """gunicorn reads it again at a reload, in the same process."""
    assert conf().keys() <= runpy.run_path(str(file)).keys()
    monkeypatch.setenv("PORT", "5056")
    assert runpy.run_path(str(file))["bind"] == "127.0.0.1:5056"


def test_settings_decide_where_and_how_much(conf: Conf) -> None:
    """HOST, PORT, WEB_CONCURRENCY and OTP_THREADS are gunicorn's values too."""
    values = conf(HOST="127.0.0.2", PORT="5055", WEB_CONCURRENCY="3", OTP_THREADS="17", OTP_LOG_LEVEL="WARNING")
    assert (values["bind"], values["workers"], values["threads"]) == ("127.0.0.2:5055", 3, 17 + 16 + 32)
    assert values["loglevel"] == "warning"


def test_defaults_are_one_worker_with_many_threads_on_loopback(conf: Conf) -> None:
    """Without settings: 127.0.0.1:5000, one worker of gunicorn's threaded kind, 256 threads and 32 more."""
    values = conf()
    assert (values["bind"], values["workers"], values["threads"]) == ("127.0.0.1:5000", 1, 256 + 16 + 32)
    assert issubclass(load_class(values["worker_class"]), ThreadWorker)


def test_an_ipv6_host_stands_in_brackets(conf: Conf) -> None:
    """gunicorn reads an address without them as host and port."""
    assert conf(HOST="::1")["bind"] == "[::1]:5000"


def test_requests_are_bounded_and_no_header_is_believed(conf: Conf) -> None:
    """Sizes of a request's head; no proxy trusted by gunicorn itself; no socket for control."""
    values = conf()
    assert (values["limit_request_line"], values["limit_request_fields"]) == (2048, 50)
    assert (values["limit_request_field_size"], values["forwarded_allow_ips"]) == (8190, "")
    assert values["control_socket_disable"] is True


def test_there_are_more_connections_than_threads(conf: Conf) -> None:
    """However many threads: otherwise gunicorn keeps no connection alive."""
    assert conf(OTP_THREADS="2048")["worker_connections"] > 2048


def said_of(address: Any, conf: Conf, **given: str) -> list[str]:
    """The faults of a server with these settings at this address and one of loopback."""
    conf(**given)
    return reachable(startup.load(), [("127.0.0.1", 5000), address])


@pytest.mark.parametrize("address", [
    ("127.0.0.1", 5000), ("127.9.9.9", 5000), ("localhost", 5000), ("::1", 5000, 0, 0), 3,
])  # fmt: skip
def test_loopback_needs_no_keys(conf: Conf, address: Any) -> None:
    """Nobody else can reach these; an inherited socket's number says nothing yet."""
    assert said_of(address, conf) == []


@pytest.mark.parametrize("address", ["/run/otp.sock", b"\0otp", ""])
@pytest.mark.parametrize("given", [{}, {"OTP_API_KEYS": KEY, **SMS}])
def test_a_unix_socket_needs_a_trusted_proxy(conf: Conf, address: Any, given: dict[str, str]) -> None:
    """Behind one all clients would be one; OTP_TRUSTED_PROXIES=unix says that a proxy names them."""
    (line,) = said_of(address, conf, **given)
    assert line.startswith("OTP_TRUSTED_PROXIES: ")
    assert said_of(address, conf, OTP_API_KEYS=KEY, OTP_TRUSTED_PROXIES="unix", **SMS) == []


@pytest.mark.parametrize("address", [
    ("0.0.0.0", 5000), ("::", 5000, 0, 0), ("192.0.2.7", 5000), ("otp.example.com", 5000), ("", 5000),
])  # fmt: skip
def test_an_address_for_all_needs_keys_or_public(conf: Conf, address: Any) -> None:
    """One line names the address; API keys, or OTP_PUBLIC=1, allow it."""
    (line,) = said_of(address, conf)
    assert line.startswith(address[0])
    assert "\n" not in line
    assert said_of(address, conf, OTP_API_KEYS=KEY, **SMS) == []


def test_a_reload_goes_on_with_the_settings_that_were_checked(conf: Conf, monkeypatch: pytest.MonkeyPatch) -> None:
    """gunicorn reads its configuration again: settings that are being written by then neither end nor open it."""
    conf(OTP_STORE_URL="memory://", OTP_THREADS="17")
    monkeypatch.setattr(reloading, "_accepted", startup.load())
    found: list[int] = []
    server = SimpleNamespace(cfg=SimpleNamespace(address=[], chdir="."), WORKERS={})
    replacing.reload(server, lambda: found.append(conf(OTP_TTL="9999")["threads"]))
    assert found == [17 + 16 + 32]
    with pytest.raises(SystemExit):  # they were for this reload alone
        conf(OTP_TTL="9999")


def test_a_defect_ends_no_server_that_reloads(conf: Conf, monkeypatch: pytest.MonkeyPatch) -> None:
    """gunicorn ends with whatever a signal's handler raises; the log gets its kind, and revoked callers are out."""
    conf(OTP_STORE_URL="memory://")
    spawned: list[int] = []
    running = make_settings(otp_api_keys=api_keys(KEY[:-1] + "1"))
    monkeypatch.setattr(reloading, "_accepted", running)

    def fail(*_: Any) -> Any:
        raise RecursionError("a number such as +14155552671")

    monkeypatch.setattr(startup, "load", fail)
    monkeypatch.setattr(reloading.READER, "read", fail)
    said: list[str] = []
    server = SimpleNamespace(
        cfg=SimpleNamespace(address=[], chdir="."), num_workers=1, spawn_worker=lambda: spawned.append(1), WORKERS={},
        manage_workers=lambda: None, log=SimpleNamespace(error=lambda line, *of: said.append(line % of)),
    )  # fmt: skip
    replacing.reload(server, lambda: None)
    assert said == ["Not reloaded: an unexpected error (RecursionError)", "Not accepted any more: shop"]
    assert spawned == [1]
    assert [key.digest for key in reloading.accepted().otp_api_keys] == [""]


class Master:
    """gunicorn's, with two workers, where the system has no process for one more, or for a part of the new ones."""

    def __init__(self, room: int) -> None:
        self.cfg, self.log, self.pid = SimpleNamespace(address=[], chdir="."), self, os.getpid()
        self.num_workers, self.WORKERS, self.room = 2, {101: None, 102: None}, room
        self.ended: list[tuple[int, int]] = []
        self.said: list[str] = []

    def error(self, line: str, *of: object) -> None:
        self.said.append(line % of)

    def spawn_worker(self) -> None:
        if not self.room:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        self.room -= 1
        self.WORKERS[103] = None

    def kill_worker(self, pid: int, signal: int) -> None:
        self.ended.append((pid, signal))


@pytest.mark.parametrize("room", [0, 1])
def test_without_a_process_for_one_more_a_revocation_ends_the_old_workers(
    conf: Conf, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """gunicorn itself would end the server; left alone, the old workers would go on with the revoked key."""
    conf(OTP_STORE_URL="memory://")
    monkeypatch.setattr(reloading, "_accepted", make_settings(otp_api_keys=api_keys(KEY[:-1] + "1")))
    master = Master(room)
    replacing.reload(master, lambda: None)
    assert master.said[-1] == "Not accepted any more: shop"
    assert master.ended == [(101, signal.SIGTERM), (102, signal.SIGTERM)]


@pytest.mark.parametrize("room", [0, 1])
def test_without_a_process_for_one_more_a_reload_ends_the_old_workers(
    conf: Conf, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """The new settings hold for every worker, or for none."""
    conf(OTP_STORE_URL="memory://")
    monkeypatch.setattr(reloading, "_accepted", startup.load())
    master = Master(room)

    def begin() -> None:
        reloading.accept(startup.load())
        for _ in range(2):
            master.spawn_worker()

    replacing.reload(master, begin)
    assert (master.said, master.ended) == ([], [(101, signal.SIGTERM), (102, signal.SIGTERM)])


def test_without_a_process_for_one_more_no_server_takes_another_ones_place(
    conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf(OTP_STORE_URL="memory://")
    monkeypatch.setattr(reloading, "_accepted", startup.load())
    master = Master(0)
    replacing.replace(master, master.spawn_worker)
    assert (master.said, master.ended) == (["Not replaced: Resource temporarily unavailable"], [])


@pytest.mark.parametrize("mode", [0o111, 0o000])
def test_a_folder_that_is_closed_to_its_server_ends_no_rejected_reload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    """A folder that cannot be listed, or not be entered any more."""
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(mode)
    os.seteuid(os.geteuid() or 65534)  # mode bits do not bind root
    try:
        with replacing.inside(str(tmp_path)):
            pass
    finally:
        os.seteuid(os.getuid())
        tmp_path.chmod(0o700)
    assert Path().samefile(tmp_path)


def test_ctrl_c_ends_a_worker_as_term_does(conf: Conf) -> None:
    """It reaches all processes of a terminal, and running requests are answered."""
    stop, before = signal.SIG_IGN, signal.getsignal(signal.SIGINT)
    try:
        conf()["post_worker_init"](SimpleNamespace(handle_exit=stop))
        assert signal.getsignal(signal.SIGINT) == stop
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_worker_closes_the_services_as_it_leaves(conf: Conf) -> None:
    """Once; a worker that never loaded the application has none."""
    closed: list[bool] = []
    app = SimpleNamespace(extensions={"otp": SimpleNamespace(close=lambda: closed.append(True))})
    leave = conf()["worker_exit"]
    leave(None, SimpleNamespace(wsgi=app))
    leave(None, SimpleNamespace())
    assert closed == [True]
