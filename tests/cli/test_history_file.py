"""The file of the history, where a start looks at it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from otp_app import startup
from otp_app.core.errors import StoreUnavailable
from otp_app.history.database import open_database
from otp_app.settings import Settings
from tests.command import run


@pytest.mark.parametrize("url", ["", "sqlite:///elsewhere/rows.db"])
def test_a_history_that_others_can_read_is_refused(
    capsys: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """It has tags, which may be names, and the beginnings of numbers."""
    if url:
        monkeypatch.setenv("OTP_HISTORY_URL", url)
    name = url.removeprefix("sqlite:///") or "var/otp-history.db"
    file = folder / name
    startup.prepare(Settings())
    file.parent.mkdir(exist_ok=True)
    file.touch(0o640)
    file.chmod(0o640)
    status, _, error = run(capsys, "check")
    assert (status, error) == (1, f"OTP_HISTORY_URL: others can read the history: chmod 600 {name}\n")
    file.chmod(0o600)
    assert run(capsys, "check").status == 0


def test_a_history_is_not_made_behind_a_link(capsys: Any, folder: Path) -> None:
    """A disk that is not mounted. SQLite would make the file there, for others to read."""
    (folder / "var").mkdir()
    file = folder / "var/otp-history.db"
    file.symlink_to(folder / "target")
    line = "OTP_HISTORY_URL: var/otp-history.db is a link without its target: mount or make that, or remove it"
    for _ in range(2):
        assert run(capsys, "check").error == f"{line}\n"
        with pytest.raises(startup.BadSettings, match="without its target"):
            startup.prepare(Settings())
    with (
        closing(open_database(f"sqlite:///{file}")) as database,
        pytest.raises(StoreUnavailable, match="without its target"),
        database.writing(),
    ):
        pass
    assert not (folder / "target").exists()
