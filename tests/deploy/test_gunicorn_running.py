"""gunicorn with deploy/gunicorn.conf.py: what it refuses, how it reloads, how it stops."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from otp_app.settings.keyring import new_lines
from otp_app.stores import open_store
from tests.forking import Forking
from tests.provider import Provider
from tests.running import KEYS, ROOT, Answer, RunningServer, free_port, wait_until
from tests.stores.faults import locked

Start = Callable[..., RunningServer]
Refused = Callable[..., list[str]]


@pytest.fixture
def refused(tmp_path: Path, forking: Forking) -> Refused:
    """Call it with options and settings to get what gunicorn said when it did not start, without its own log lines."""

    def start(*arguments: str, status: int = os.EX_CONFIG, **settings: str) -> list[str]:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"} | settings
        ended, said = forking.run(tmp_path, environment, "gunicorn", *arguments)
        assert ended == status
        return [line for line in said.splitlines() if not line.startswith("{")]

    return start


def test_every_fault_of_the_settings_is_a_line(refused: Refused) -> None:
    """All at once, each with its variable, and no traceback."""
    lines = refused(OTP_TTL="9999", OTP_PUBLIC="1", OTP_THREADS="many")
    assert {line.partition(":")[0] for line in lines} == {"OTP_TTL", "OTP_THREADS", "OTP_COUNTRIES", "OTP_CHANNELS"}


def test_an_open_address_on_the_command_line_is_refused(refused: Refused) -> None:
    """What HOST must not say, -b must not either."""
    (line,) = refused("-b", "0.0.0.0:0")
    assert line.startswith("0.0.0.0 can be reached from elsewhere")


def test_an_inherited_open_socket_is_refused(tmp_path: Path) -> None:
    """Nor what whoever started gunicorn has bound."""
    with socket.socket() as bound:
        bound.bind(("0.0.0.0", 0))
        bound.listen()
        command = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "deploy/gunicorn.conf.py")]
        ended = subprocess.run(
            [*command, "-b", f"fd://{bound.fileno()}", "wsgi:app"], cwd=tmp_path, pass_fds=(bound.fileno(),), text=True,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (os.EX_CONFIG, "")
    (line,) = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert line.startswith("0.0.0.0 can be reached from elsewhere")


def test_a_unix_socket_without_a_trusted_proxy_is_refused(tmp_path: Path, refused: Refused) -> None:
    """All its clients would be one, without an address."""
    (line,) = refused("-b", f"unix:{tmp_path}/otp.sock")
    assert line.startswith("OTP_TRUSTED_PROXIES: ")


def test_workers_on_the_command_line_are_counted_for_a_store_in_memory(refused: Refused) -> None:
    """What WEB_CONCURRENCY must not say, -w must not either."""
    (line,) = refused("-w", "2", OTP_STORE_URL="memory://", PORT=str(free_port()))
    assert line.startswith("OTP_STORE_URL: a store in memory is for one worker")


def test_an_application_that_is_loaded_before_the_fork_is_refused(refused: Refused) -> None:
    """Its workers would have the first settings for ever: a reload would revoke no key, and say that it did."""
    (line,) = refused("--preload", PORT=str(free_port()))
    assert line.startswith("--preload: ")
    (line,) = refused("--user", "65534", PORT=str(free_port()))
    assert line.startswith("--user: ")


@pytest.mark.parametrize("arguments", [("-e", "PORT={port}"), ("--chdir", "there")])
def test_settings_that_come_too_late_for_gunicorn_are_refused(
    tmp_path: Path, refused: Refused, arguments: tuple[str, str]
) -> None:
    """gunicorn follows these options after it has read where to listen: it would do so elsewhere, and say nothing."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there/.env").write_text(f"PORT={(port := free_port())}\n")
    option, value = arguments
    (line,) = refused(option, value.format(port=port))
    assert line.startswith("-e, --chdir: ")


def test_keys_that_cannot_be_made_are_a_line(tmp_path: Path, refused: Refused) -> None:
    """Here the store's folder is a file."""
    (tmp_path / "var").write_text("")
    (line,) = refused()
    assert line.startswith("OTP_SECRET_KEYS:")


def test_a_store_that_does_not_open_is_a_line(tmp_path: Path, refused: Refused) -> None:
    """Here its file is no database."""
    (tmp_path / "otp.db").write_text("no database, and long enough for its header to be looked at\n" * 20)
    keys = {name: value for name, _, value in (line.partition("=") for line in new_lines().split())}
    (line,) = refused(OTP_STORE_URL="sqlite:///otp.db", **keys)
    assert line.startswith("OTP_STORE_URL:")


def test_a_locked_database_is_tried_again_by_whoever_starts_servers(tmp_path: Path, refused: Refused) -> None:
    """It recovers by itself, as when a backup has ended."""
    url = f"sqlite:///{tmp_path}/otp.db"
    with closing(open_store(url)) as store:
        store.ping()
    (tmp_path / "otp.keys").write_text("".join(f"{line}\n" for line in new_lines().split()))
    (tmp_path / "otp.keys").chmod(0o600)
    with locked(tmp_path / "otp.db"):
        (line,) = refused(status=os.EX_TEMPFAIL, OTP_STORE_URL=url)
    assert line == "OTP_STORE_URL: The store is not available (SQLITE_BUSY)"


def test_a_shared_store_that_is_away_is_tried_again_by_whoever_starts_servers(refused: Refused) -> None:
    """With another exit status than for what only a person can mend; systemd's unit tells them apart."""
    url = f"redis://127.0.0.1:{free_port()}/0"
    (line,) = refused(status=os.EX_TEMPFAIL, OTP_STORE_URL=url, **KEYS)
    assert line.startswith("OTP_STORE_URL: The store is not available")
    unit = (ROOT / "deploy/otp-app.service").read_text()
    assert f"RestartPreventExitStatus={os.EX_CONFIG}\n" in unit


def test_bad_settings_do_not_end_a_server_that_runs(server: Start) -> None:
    """A reload with them changes nothing and says why; once they are right it is done."""
    running = server()
    (running.folder / ".env").write_text("OTP_TTL=9999\n")
    workers = running.worker_pids()
    os.kill(running.pid, signal.SIGHUP)
    wait_until(lambda: "Not reloaded: OTP_TTL" in running.log(), "the refusal")
    assert running.healthy()
    assert running.worker_pids() == workers
    (running.folder / ".env").write_text("OTP_TTL=120\n")
    running.hup()
    assert running.post("/send-otp", {"phone_number": "+919812345678"}).json["expires_in"] == 120


def test_a_worker_leaves_the_signals_of_a_reload_to_the_master(server: Start) -> None:
    """`pkill -HUP gunicorn` and `systemctl kill -s HUP` send them to every process, and no request ends by them."""
    running = server()
    (worker,) = running.worker_pids()
    for number in (signal.SIGHUP, signal.SIGUSR2):
        os.kill(worker, number)
    assert running.healthy()
    assert running.worker_pids() == [worker]


@pytest.mark.parametrize("line", ["HOST=192.0.2.7", "PORT={taken}"])
def test_a_reload_does_not_move_a_server_that_runs(server: Start, line: str) -> None:
    """gunicorn closes its sockets before it opens others, and ends where it cannot: another address takes a restart."""
    running = server(OTP_API_KEYS="shop:send:" + "1" * 63 + "2", start=False)
    variable = line.partition("=")[0]
    own = running.environment.pop(variable)
    (running.folder / ".env").write_text(f"{variable}={own}\n")
    running.start()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        (running.folder / ".env").write_text(line.format(taken=other.getsockname()[1]))
        os.kill(running.pid, signal.SIGHUP)
        wait_until(lambda: "Not reloaded: HOST, PORT: " in running.log(), "the refused reload")
    assert running.healthy()


def test_a_reload_keeps_the_users_that_a_faulty_directory_lost(server: Start) -> None:
    """New workers would begin without any; the log names the fault's row."""
    running = server(OTP_APIS="users", OTP_DIRECTORY_URL="users.csv", OTP_RESEND_GAPS="", start=False)
    users = running.folder / "users.csv"
    users.write_text("user_id,phone_number\nann,+919812345678\n")
    running.start()
    assert running.post("/send-code", {"user_id": "ann"}).status == 200
    users.write_text("user_id,phone_number\nann,1.41556E+10\n")
    workers = running.worker_pids()
    os.kill(running.pid, signal.SIGHUP)
    wait_until(lambda: "Not reloaded: OTP_DIRECTORY_URL: " in running.log(), "the refused reload")
    assert running.worker_pids() == workers
    assert running.post("/send-code", {"user_id": "ann"}).status == 200


def test_a_reload_revokes_keys_even_when_it_is_refused(server: Start, refused: Refused) -> None:
    """A key that is gone is out though another setting is wrong; keys that are all gone mean no caller, not an open
    server, and so it stays when a worker is replaced.
    """
    running = server(OTP_API_KEYS_FILE="keys", start=False)
    secrets = {name: f"otp_{name}_0123456789" for name in ("shop", "cron")}
    keys = [f"{name}:send:{hashlib.sha256(secret.encode()).hexdigest()}" for name, secret in secrets.items()]
    number = {"phone_number": "+919812345678"}

    def reload(keys: list[str], rest: str) -> None:
        (running.folder / "keys").write_text(",".join(keys))
        (running.folder / ".env").write_text(rest)

    def statuses() -> list[int]:
        headers = [{"X-API-Key": secret} for secret in secrets.values()] + [{}]
        return [running.post("/send-otp", number, header).status for header in headers]

    reload(keys, "OTP_RESEND_GAPS=\n")
    running.start()
    assert statuses() == [200, 200, 401]
    reload(keys[:1], "OTP_TTL=9999\n")
    running.hup()
    assert statuses() == [200, 401, 401]
    reload([], "OTP_RESEND_GAPS=\n")
    running.hup()
    assert statuses() == [401, 401, 401]
    running.kill_worker()
    wait_until(running.worker_pids, "the next worker")
    assert statuses() == [401, 401, 401]
    assert "OTP_API_KEYS_FILE: the file is empty" in running.log()
    reload(keys[:1], "OTP_RESEND_GAPS=\n")
    running.hup()
    assert statuses()[1:] == [401, 401]


@pytest.mark.parametrize("code", ["", "from otp_app.serving.configuration import what_a_later_version_has\n"])
def test_a_reload_after_the_checkout_was_replaced_goes_on_and_revokes(
    server: Start, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gunicorn ends where it cannot read its configuration again, as after an upgrade: the server goes on with the one
    that it has, and a key that is gone is out all the same.
    """
    running = server(OTP_API_KEYS_FILE="keys", start=False)
    (running.folder / "keys").write_text(f"shop:send:{hashlib.sha256(b'otp_shop').hexdigest()},cron:send:{'1' * 63}2")
    checkout = tmp_path / "checkout/deploy"
    checkout.mkdir(parents=True)
    file = Path(shutil.copy(ROOT / "deploy/gunicorn.conf.py", checkout))
    monkeypatch.setattr("tests.running.ROOT", checkout.parent)
    running.start()
    key, number = {"X-API-Key": "otp_shop"}, {"phone_number": "+919812345678"}
    assert running.post("/send-otp", number, key).status == 200
    file.write_text(code) if code else file.unlink()
    os.kill(running.pid, signal.SIGHUP)
    wait_until(lambda: f"Not reloaded: {file} is not what it was" in running.log(), "the refused reload")
    assert running.post("/send-otp", number, key).status == 429  # it is still a caller, whose number has to wait
    (running.folder / "keys").write_text(f"cron:send:{'1' * 63}2")
    running.hup()
    assert running.post("/send-otp", number, key).status == 401


@pytest.mark.parametrize("hook", ["", "def on_reload(server): pass\n", "def on_starting(server): pass\n"])
def test_a_reload_revokes_under_a_configuration_of_ones_own(
    server: Start, hook: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that it imports is read once, as with `-c python:…`, and its hooks may replace ours. TERM ends it."""
    running = server(OTP_API_KEYS_FILE="keys", start=False)
    (running.folder / "keys").write_text(f"shop:send:{hashlib.sha256(b'otp_shop').hexdigest()},cron:send:{'1' * 63}2")
    (tmp_path / "own/deploy").mkdir(parents=True)
    (tmp_path / "own/deploy/gunicorn.conf.py").write_text(f"from otp_app.serving.gunicorn_conf import *\n{hook}")
    monkeypatch.setattr("tests.running.ROOT", tmp_path / "own")
    running.start()
    key, number = {"X-API-Key": "otp_shop"}, {"phone_number": "+919812345678"}
    assert running.post("/send-otp", number, key).status == 200
    (running.folder / "keys").write_text(f"cron:send:{'1' * 63}2")
    running.hup()
    assert running.post("/send-otp", number, key).status == 401
    if "starting" not in hook:
        wait_until(lambda: "gunicorn has not read its configuration again" in running.log(), "the warning")
    assert running.stop() == 0


def test_a_reload_after_the_folder_was_replaced_goes_on_and_revokes(server: Start, tmp_path: Path) -> None:
    """gunicorn would go to the folder that has the name by now, whose store is empty, with settings of the one before:
    the server stays where it is, and who is not named in the new one is out.
    """
    link, releases = tmp_path / "current", [tmp_path / "1", tmp_path / "2"]
    secrets = ("otp_shop_0123456789", "otp_cron_0123456789")
    keys = [f"k{n}:send:{hashlib.sha256(secret.encode()).hexdigest()}" for n, secret in enumerate(secrets)]
    for release, known in zip(releases, (keys, keys[:1]), strict=True):
        release.mkdir()
        (release / "keys").write_text(",".join(known))
    link.symlink_to(releases[0])
    running = server(store="sqlite:///otp.db", PWD=str(link), OTP_API_KEYS_FILE="keys", start=False)
    running.folder = link
    running.start()
    running.folder = releases[0]
    number = {"phone_number": "+919812345678"}
    assert running.post("/send-otp", number, {"X-API-Key": secrets[1]}).status == 200
    link.unlink()
    link.symlink_to(releases[1])
    running.hup()
    assert f"Not reloaded: {link} is not the folder of the start" in running.log()
    assert [running.post("/send-otp", number, {"X-API-Key": secret}).status for secret in secrets] == [429, 401]


def test_a_worker_that_cannot_begin_yet_is_started_again(server: Start) -> None:
    """A reload has to wait for the worker that has the store in memory, and where that one hangs no server ends."""
    running = server(store="memory://", **KEYS)
    (old,) = running.worker_pids()
    os.kill(old, signal.SIGSTOP)
    os.kill(running.pid, signal.SIGHUP)
    wait_until(lambda: "exited with code" in running.log(), "the end of a worker that could not begin", 60)
    os.kill(old, signal.SIGCONT)
    wait_until(lambda: old not in running.worker_pids(), "the end of the first worker", 60)
    wait_until(running.healthy, "the next worker")
    assert "exited with code 1." in running.log()


NEEDS_THE_MASTER = """
import os, pathlib, time
master = os.getpid()

class Directory:
    def __init__(self, url):
        if os.getpid() != master:
            pathlib.Path(f"{os.getpid()}.worker").touch()
            while len(list(pathlib.Path().glob("*.worker"))) < 2:
                time.sleep(0.01)
            raise ValueError("it does not work after a fork")

    def phone(self, user_id): ...
    def close(self): ...
"""


def test_workers_that_fail_together_end_the_server_as_one_does(tmp_path: Path, refused: Refused) -> None:
    """With the status that gunicorn has for it, and without a traceback of the master."""
    (tmp_path / "own.py").write_text(NEEDS_THE_MASTER)
    lines = refused(
        status=3, WEB_CONCURRENCY="2", OTP_APIS="native,users", OTP_DIRECTORY_URL="own:Directory",
        PYTHONPATH=f"{ROOT}:{tmp_path}", PORT=str(free_port()),
    )  # fmt: skip
    assert set(lines) == {"it does not work after a fork"}


ENDS_THE_FIRST_WORKER = """
import os, pathlib, signal

def end():
    if not (done := pathlib.Path("ended")).exists():
        done.touch()
        os.kill(os.getpid(), signal.SIGTERM)

os.register_at_fork(after_in_child=end)

class Directory:
    def __init__(self, url): ...
    def phone(self, user_id): ...
    def close(self): ...
"""


def test_a_worker_that_just_begins_ends_when_it_is_told_to(server: Start, tmp_path: Path) -> None:
    """Also before it has handlers of its own; else the master would wait until it may kill it."""
    (tmp_path / "own.py").write_text(ENDS_THE_FIRST_WORKER)
    running = server(OTP_APIS="native,users", OTP_DIRECTORY_URL="own:Directory", PYTHONPATH=f"{ROOT}:{tmp_path}")
    wait_until(lambda: "Worker exiting" in running.log(), "the end of the first worker", 10)
    wait_until(running.healthy, "the next worker")


def test_workers_do_not_need_the_key_file(server: Start) -> None:
    """The master has read it: a file that is lost or open to others later ends no server, also where a refused reload
    replaces the workers because a caller is revoked.
    """
    running = server(OTP_API_KEYS_FILE="keys", start=False)
    secrets = ("otp_shop_0123456789", "otp_cron_0123456789")
    keys = [f"k{n}:send:{hashlib.sha256(secret.encode()).hexdigest()}" for n, secret in enumerate(secrets)]
    (running.folder / "keys").write_text(",".join(keys))
    running.start()
    (running.folder / "otp.keys").chmod(0o644)
    running.kill_worker()
    wait_until(running.healthy, "the next worker")
    (running.folder / "keys").write_text(keys[0])
    running.hup()
    assert "Not reloaded: OTP_SECRET_KEYS: others can read the key file" in running.log()
    number = {"phone_number": "+919812345678"}
    assert [running.post("/send-otp", number, {"X-API-Key": secret}).status for secret in secrets] == [200, 401]


def test_a_reload_without_keys_does_not_open_a_server_that_had_them(server: Start) -> None:
    """Their line is gone from .env: at a start that would be a server for this machine, without keys."""
    running = server(start=False)
    secret = "otp_shop_0123456789"
    key = f"shop:send:{hashlib.sha256(secret.encode()).hexdigest()}"
    (running.folder / ".env").write_text(f"OTP_API_KEYS={key}\n")
    running.start()
    (running.folder / ".env").write_text("")
    running.hup()
    number = {"phone_number": "+919812345678"}
    assert running.post("/send-otp", number).status == 401
    assert running.post("/send-otp", number, {"X-API-Key": secret}).status == 401
    assert "Not reloaded: OTP_API_KEYS: none is left" in running.log()


def test_a_server_with_keys_is_not_replaced_by_one_without(server: Start) -> None:
    """SIGUSR2 while .env is missing: the next one would answer without a key, at the same sockets."""
    running = server(start=False)
    file = running.folder / ".env"
    file.write_text(f"OTP_API_KEYS=shop:send:{'1' * 63}2\n")
    running.start()
    file.unlink()
    os.kill(running.pid, signal.SIGUSR2)
    wait_until(lambda: "Not replaced: OTP_API_KEYS: none is left" in running.log(), "the refusal", 10)
    assert running.post("/send-otp", {"phone_number": "+919812345678"}).status == 401


def test_a_server_is_replaced_by_another_at_the_same_socket(server: Start) -> None:
    """SIGUSR2 starts it as this one was started; then this one ends, and no request finds nobody."""
    running = server()
    os.kill(running.pid, signal.SIGUSR2)
    wait_until(lambda: running.log().count("Booting worker") == 2, "the other server", 30)
    running.term()
    assert running.wait(30) == 0
    assert running.healthy()


@pytest.mark.parametrize("how", ["SIGTERM", "Ctrl-C"])
def test_stopping_answers_what_has_begun_and_closes_the_store(server: Start, fake_twilio: Provider, how: str) -> None:
    """A send that waits for the provider is answered and recorded, the status is 0, and SQLite has put its log away."""
    running = server()
    fake_twilio.latency = 0.5
    answers: list[Answer] = []
    send = threading.Thread(target=lambda: answers.append(running.post("/send-otp", {"phone_number": "+919812345678"})))
    send.start()
    wait_until(lambda: fake_twilio.calls, "the request at the provider")
    if how == "Ctrl-C":
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to the master and its workers alike
    else:
        running.term()
    send.join()
    assert running.wait(60) == 0
    assert [answer.status for answer in answers] == [200]
    assert sorted(file.name for file in running.folder.glob("*.db*")) == ["otp-counters.db", "otp-history.db", "otp.db"]
    assert "OutcomeLost" not in running.log()


def test_every_line_it_logs_is_json(server: Start) -> None:
    """gunicorn's own too, from its first to its last."""
    running = server()
    running.stop()
    messages = [json.loads(line)["message"] for line in running.log().splitlines()]
    assert messages.count("Channels: sms") == 1  # the start says where codes go
    assert [line for line in messages if line.endswith(("/demo", "/docs"))] == [
        f"Send a code to a phone, and watch it arrive: {running.url}/demo", f"All requests: {running.url}/docs",
    ]  # and where to look
    assert messages[0].startswith("Starting gunicorn")
    assert messages[-1] == "Shutting down: Master"


def test_a_port_in_use_is_one_line(refused: Refused) -> None:
    """It names PORT; the status asks systemd to try again, since the other program may end."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        lines = refused(status=os.EX_TEMPFAIL, PORT=str(port), OTP_STORE_URL="memory://")
    assert lines == [f"PORT: {port} of 127.0.0.1 is in use by another program: stop that program, or set another PORT"]


def test_an_address_of_another_machine_is_one_line(refused: Refused) -> None:
    """With the same status: the address may come, as that of a network that is not up yet."""
    twilio = {"TWILIO_ACCOUNT_SID": f"AC{'1' * 32}", "TWILIO_AUTH_TOKEN": "t", "TWILIO_PHONE_NUMBER": "+15005550006"}
    keys = f"shop:send:{'1' * 63}2"
    (line,) = refused(status=os.EX_TEMPFAIL, HOST="192.0.2.7", OTP_API_KEYS=keys, **twilio)
    assert line.startswith("HOST, PORT: the server cannot listen on 192.0.2.7, port 5000 (")


LOADED = """
import runpy, sys
conf = runpy.run_path(sys.argv[1])
conf["pre_fork"](None, None)
before = set(sys.modules)
import wsgi
wsgi.app.extensions["otp"].close()
own = {name for name in sys.modules if name.startswith("otp_app")} - {"otp_app.serving.wsgi"}  # which opens the stores
print(sorted(own - before))
"""


@pytest.mark.parametrize("apis", ["native", "native,users"])
def test_all_code_is_loaded_before_the_fork(tmp_path: Path, apis: str) -> None:
    """Shared by all workers, and never a mixture of two releases after a reload."""
    (tmp_path / "users.csv").write_text("user_id,phone_number\n")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "OTP_APIS": apis,
                   "OTP_STORE_URL": "memory://", "OTP_DIRECTORY_URL": "file:///users.csv"}  # fmt: skip
    command = [sys.executable, "-c", LOADED, str(ROOT / "deploy/gunicorn.conf.py")]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
