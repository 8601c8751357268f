"""`users check`: a directory is read as a server reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.command import run

USERS = "user_id,phone_number\nann,+14155552671\nbob,\n"


class Silent:
    """A directory of an operator's own that cannot count."""

    def __init__(self, url: str) -> None:
        self.is_away = url.endswith("away")

    def phone(self, user_id: str) -> str | None:
        """Return none."""

    def ping(self) -> None:
        """Raise while it is away."""
        if self.is_away:
            raise OSError

    def close(self) -> None:
        """Return."""


@pytest.mark.parametrize("url", ["users.csv", "file:users.csv", "@where"])
def test_users_are_counted(capsys: Any, folder: Path, url: str) -> None:
    (folder / "users.csv").write_text(USERS)
    (folder / "where").write_text("users.csv\n")
    assert run(capsys, "users", "check", url) == (0, "Users: 2.\n", "")
    assert run(capsys, "users", "check", url, "--json").output == '{"users": 2}\n'


@pytest.mark.parametrize(("content", "fault"), [
    (USERS + "ANN,\n", "row 4 has the user id of one before"), (USERS + "eve,4.4E+11\n", "row 4 has a phone number"),
    ("user_id;phone\n", "line 1 must name the columns"), (None, "ENOENT"),
])  # fmt: skip
def test_a_fault_is_named_by_its_row(capsys: Any, folder: Path, content: str | None, fault: str) -> None:
    """In one line that has nothing of what is there."""
    if content:
        (folder / "users.csv").write_text(content)
    status, printed, error = run(capsys, "users", "check", "users.csv")
    assert (status, printed, fault in error, error.count("\n")) == (1, "", True, 1)
    assert "4.4E" not in error


def test_a_directory_of_ones_own_may_not_count(capsys: Any) -> None:
    assert run(capsys, "users", "check", "tests.cli.test_users:Silent").output.startswith("It can be read")
    assert run(capsys, "users", "check", "tests.cli.test_users:Silent?away").status == 1
    assert run(capsys, "users", "check", "users.xls").status == 1
