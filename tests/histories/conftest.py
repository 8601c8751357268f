from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from otp_app.history.database import Database, open_database
from tests.histories.recording import Recording, in_file
from tests.patience import wait_long


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty one of each kind."""
    postgres = request.param == "postgres" and request.getfixturevalue("postgres_server")
    with closing(open_database(postgres.new_url()) if postgres else in_file(tmp_path)) as opened:
        yield opened


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Recording]:
    """A server with a history in a file."""
    with closing(in_file(tmp_path)) as opened:
        yield Recording(opened)


@pytest.fixture
def waits_long() -> Iterator[None]:
    """Let no busy machine fail a test of what stores keep."""
    patch = wait_long()
    yield
    patch.undo()
