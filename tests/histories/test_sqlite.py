"""The history's file where something else lies in its place."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

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
