"""A backup of the accounts that was restored with the pages' commands: what ended since stays ended."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from otp_app.accounts.errors import NoSession
from tests.accounts.conftest import Bureau
from tests.conftest import require
from tests.running import ROOT

BACKUP = "/var/backups/otp-app/otp-accounts.db"


def _lines_of_run() -> str:
    text = (ROOT / "docs" / "run.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"((?:^    .*accounts\.db.*\n)+)", text, re.MULTILINE)
    return str(block)


def _lines_of_accounts() -> str:
    """The page says in words where the backup goes; its command is about the database that is there then."""
    text = (ROOT / "docs" / "accounts.md").read_text(encoding="utf-8")
    restore = text[text.index("To restore it") : text.index("## Take over users")]
    commands = "".join(re.findall(r"```sh\n(.*?)```", restore, re.DOTALL)).replace("var/accounts.db", "accounts.db")
    return f"rm -f accounts.db accounts.db-wal accounts.db-shm\ncp {BACKUP} accounts.db\n{commands}"


@pytest.mark.parametrize("lines", [_lines_of_run, _lines_of_accounts])
def test_a_session_that_was_revoked_after_the_backup_opens_no_account_of_it(
    lines: Callable[[], str], open_bureau: Callable[[str], Bureau], tmp_path: Path
) -> None:
    """A thief's session is one of those. The users are there, and log in again."""
    require("sqlite3")
    database, backup = tmp_path / "accounts.db", tmp_path / "backup.db"
    before = open_bureau(f"sqlite:///{database}")
    number, token = before.signed_up()
    with closing(sqlite3.connect(database)) as now, closing(sqlite3.connect(backup)) as copy:
        now.backup(copy)
    before.accounts.log_out(before.accounts.session(token))
    before.database.close()
    commands = lines().replace(BACKUP, str(backup))
    subprocess.run(["sh", "-ec", commands], cwd=tmp_path, check=True, timeout=20)
    database.chmod(0o600)
    after = open_bureau(f"sqlite:///{database}")
    with pytest.raises(NoSession):
        after.accounts.session(token)
    assert after.accounts.session(after.log_in(number)).user.phone_number == number
