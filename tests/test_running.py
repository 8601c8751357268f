"""The harness itself: servers in tests start clean and never stay behind, absent tools are reported."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import require
from tests.running import DidNotStartError, RunningServer


def test_a_tool_that_is_here_is_found() -> None:
    """The path of the program comes back."""
    assert Path(require("sh")).name == "sh"


def test_a_test_without_its_tool_is_skipped_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a developer's machine a missing service skips its tests visibly."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs no-such-program"):
        require("no-such-program")


def test_a_test_without_its_tool_fails_where_all_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under CI=true nothing is skipped for want of a tool."""
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="needs no-such-program"):
        require("no-such-program")


def test_a_server_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    """The text of the error is what the server said; no process is left."""
    server = RunningServer(tmp_path, "http://127.0.0.1:9", store="nonsense://")
    with pytest.raises(DidNotStartError, match="OTP_STORE_URL"):
        server.start()
    with pytest.raises(ProcessLookupError):
        os.killpg(server.pid, 0)


def test_a_stopped_server_leaves_nothing(server: Callable[..., RunningServer]) -> None:
    """Master and worker are gone after stop, whose answer is the exit status."""
    running = server()  # with one worker: a second one may still begin, and gunicorn loses a TERM to it then
    assert running.stop() == 0
    with pytest.raises(ProcessLookupError):
        os.killpg(running.pid, 0)


@pytest.mark.parametrize("executed", [False, True])
def test_a_server_sees_nothing_of_our_environment(
    server: Callable[..., RunningServer], monkeypatch: pytest.MonkeyPatch, executed: bool
) -> None:
    """Variables and .env files of whoever runs the tests do not change them."""
    monkeypatch.setenv("OTP_LOG_LEVEL", "nonsense")
    running = server(start=False).start(executed)
    seen = Path(f"/proc/{running.pid}/environ").read_bytes()
    assert b"OTP_LOG_LEVEL" not in seen
    assert Path(f"/proc/{running.pid}/cwd").resolve() == running.folder.resolve()
