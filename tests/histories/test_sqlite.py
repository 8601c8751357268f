"""The history's file where something else lies in its place."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from otp_app.core.errors import StoreUnavailable
from tests.histories.recording import in_file


def test_a_file_of_another_program_is_refused_each_time(tmp_path: Path) -> None:
    """And not used without a look once it was refused."""
    with closing(sqlite3.connect(tmp_path / "history.db")) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    with closing(in_file(tmp_path)) as history:
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match="its file is something else"), history.writing():
                pytest.fail("it began")
        with pytest.raises(StoreUnavailable, match="its file is something else"), history.reading():
            pytest.fail("a history was found in it")


def test_a_history_that_begins_while_it_is_looked_at_is_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of an operator reads the file that the first start is making."""
    with closing(sqlite3.connect(tmp_path / "history.db")) as empty:
        empty.execute("PRAGMA journal_mode = WAL")

    class Watched(sqlite3.Connection):
        def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
            found = super().execute(statement, *values)
            if statement in looks:
                looks.clear()
                monkeypatch.undo()
                with history.writing():  # which makes the tables
                    pass
            return found

    looks = {"SELECT 1 FROM sqlite_master", "PRAGMA application_id"}
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **how: connect(*args, factory=Watched, **how))
    with closing(in_file(tmp_path)) as history, history.reading() as session:
        assert session.rows("SELECT day FROM otp_history_totals") == []
    assert not looks
