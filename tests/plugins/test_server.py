"""The real server and `check` with parts of an operator's own that raise what ends a program."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack

import pytest

from tests.running import KEYS, RunningServer, wait_until

PARTS = {
    "channel": {"OTP_CHANNELS": "tests.plugins.rude:Part"},
    "directory": {"OTP_APIS": "native,users", "OTP_DIRECTORY_URL": "tests.plugins.rude:Part"},
    "store": {"OTP_STORE_URL": "tests.plugins.rude:Part", **KEYS},
    "listener": {"OTP_ON_APPROVED": "tests.plugins.rude:approved"},
}


@pytest.mark.parametrize(("command", "status"), [("check", 1), ("gunicorn", os.EX_CONFIG)])
@pytest.mark.parametrize(
    ("part", "rude"),
    [(part, "import:SystemExit") for part in PARTS]
    + [("channel", "open:KeyboardInterrupt"), ("directory", "open:SystemExit"), ("store", "open:GeneratorExit")],
)
def test_a_part_that_cannot_be_used_is_one_line(tmp_path, forking, part, rude, command, status):
    """Found at the start, without a traceback, whatever it raises while it is imported or opened."""
    ended, said = forking.run(tmp_path, {"RUDE": rude, **PARTS[part]}, command)
    (line,) = [line for line in said.splitlines() if not line.startswith("{")]
    assert ended == status
    assert line.startswith(next(iter({"directory": "OTP_DIRECTORY_URL"}.get(part, name) for name in PARTS[part])))
    assert rude.partition(":")[2] in line


def test_a_worker_whose_channel_does_not_open_later_is_tried_again(tmp_path):
    """The server goes on, says why, and serves when the channel is well again."""
    broken = tmp_path / "broken"
    settings = PARTS["channel"] | {"RUDE": "open:SystemExit", "RUDE_FROM": str(broken)}
    with RunningServer(tmp_path, "", **settings) as server:
        broken.touch()
        server.kill_worker()
        wait_until(lambda: "cannot be opened: SystemExit" in server.log(), "the line that says why")
        broken.unlink()
        wait_until(server.healthy, "a worker that serves")


def test_an_async_listener_is_rejected(tmp_path, forking):
    """It would never run."""
    status, said = forking.run(tmp_path, {"OTP_ON_APPROVED": "tests.plugins.rude:approved_later"}, "check")
    assert (status, len(said.splitlines())) == (1, 1)
    assert "write a plain def" in said


@pytest.mark.parametrize("way", ["SystemExit", "an int"])  # test_isolation.py has all kinds
@pytest.mark.parametrize("part", ["channel", "directory"])
def test_the_server_outlives_what_a_part_raises_in_a_request(tmp_path, part, way):
    """The worker too: an unknown outcome of the channel, a directory that is not available, and the next request."""
    body, path, status = {"phone_number": "+14155552671"}, "/send-otp", 202
    if part == "directory":
        body, path, status = {"user_id": "ann"}, "/send-code", 503
    settings = PARTS[part] | {"RUDE": f"{'deliver' if part == 'channel' else 'phone'}:{way}"}
    with RunningServer(tmp_path, "http://127.0.0.1:1", **{"OTP_CHANNELS": "console"} | settings) as server:
        before = server.worker_pids()
        assert server.post(path, body).status == status
        assert server.call("GET", "/healthz").status == 200
        assert server.worker_pids() == before


def test_health_goes_on_while_every_other_thread_hangs(tmp_path):
    """/healthz says of the process that it answers, so a directory that hangs must not let it be restarted."""
    body = b'{"user_id": "ann", "passcode": "123456"}'
    head = b"POST /verify-code HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    asked = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    settings = PARTS["directory"] | {"RUDE": "phone:hang", "OTP_CHANNELS": "console", "OTP_THREADS": "1"}
    running = RunningServer(tmp_path, "http://127.0.0.1:1", **settings).start()
    try:
        with ExitStack() as clients:
            for _ in range(33):
                client = clients.enter_context(socket.create_connection(("127.0.0.1", running.port)))
                client.sendall(asked)
            assert running.call("GET", "/healthz").status == 200
    finally:
        running.kill_all()
