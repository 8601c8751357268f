"""`backup`: a copy of the database and its keys."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import click

from otp_app.cli import progress
from otp_app.cli.command import MISUSED, CannotDo, Command, json_option, say
from otp_app.cli.open_store import KEYS as KEY_SETTINGS
from otp_app.cli.open_store import NAMING, existing, settings_of
from otp_app.cli.sources import Source, accounts_beside, without_secrets
from otp_app.history import opening
from otp_app.maintenance import sqlite_file
from otp_app.settings import Settings, keyring

PG_DUMP = "Back up PostgreSQL with its own tool: pg_dump --format=custom --file=FILE URL"
OTHERS = {
    "redis": "OTP_STORE_URL: back up Redis with its own tool: redis-cli --rdb FILE",
    "postgres": f"OTP_STORE_URL: {PG_DUMP}",
    "memory": "OTP_STORE_URL: a store in memory has no file",
}
KEYS = "The keys are in the settings (OTP_SECRET_KEYS, OTP_INDEX_KEY): keep a copy of those too."


@click.command(cls=Command, example="backup otp-backup.db")
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
@json_option()
def backup(target: Path, as_json: bool) -> None:
    """Copy the database and its keys while servers run.

    FILE becomes a copy of the SQLite database of OTP_STORE_URL at this moment. The keys (`.keys`), the history and the
    accounts, if there are any, are copied to files beside it. Existing files are not replaced. A backup contains phone
    numbers, and with the keys it reveals pending codes: protect it as you protect the server.
    """
    settings = settings_of(NAMING | KEY_SETTINGS | {"DATABASE_URL", "OTP_HISTORY_URL"})
    url = settings.otp_store_url
    Source("store", "OTP_STORE_URL", url).announce()
    source = keyring.database(existing("OTP_STORE_URL", url))
    if not target.name:
        raise CannotDo("FILE: write the name of a file that is not there yet", MISUSED)
    if source is None:
        raise CannotDo(next((line for name, line in OTHERS.items() if url.startswith(name)), "OTP_STORE_URL: no file"))
    files = _files(source, settings, target)
    if taken := next((copy for copy in files.values() if copy.exists()), None):
        raise CannotDo(f"{taken}: there is such a file already; name another one")
    for original, copy in files.items():
        _copy(original, copy)
    lines = [f"{original} -> {copy}" for original, copy in files.items()]
    hints = [KEYS] if settings.otp_secret_keys or source.with_suffix(".keys") not in files else []
    say(as_json, {"files": [str(copy) for copy in files.values()], "left_to_do": hints}, *lines, *hints)


def _files(store: Path, settings: Settings, target: Path) -> dict[Path, Path]:
    """Return what there is, and where its copy comes: beside FILE as it lies beside the store."""
    found = {store: target}
    keys = store.with_suffix(".keys")
    if keys.exists():
        found[keys] = target.with_suffix(".keys")
    history, accounts = opening.url_of(settings), _accounts(store, settings.database_url)
    if file := _announced("history", "OTP_HISTORY_URL", history):
        found[file] = opening.beside(target)
    file = _announced("accounts", "DATABASE_URL", accounts)
    if file and file.resolve() not in {path.resolve() for path in found}:  # the copy of the store's file has them too
        found[file] = target.with_name(f"{target.stem}-accounts{target.suffix}")
    return found


def _accounts(store: Path, url: str) -> str:
    """Return the URL of the accounts: where the setting names none that are there, of those beside the store."""
    file, beside = keyring.database(url), accounts_beside(store)
    return f"sqlite:///{beside}" if file and not file.exists() and beside.exists() else url


def _announced(kind: str, setting: str, url: str) -> Path | None:
    """Say where the history or the accounts are; return their file, if there is one."""
    file = keyring.database(url)
    Source(kind, setting, url, bool(url) and (file is None or file.exists())).announce()
    if url and file is None:
        print(f"Not in this backup: {without_secrets(url)}. {PG_DUMP}", file=sys.stderr)
    return file if file and file.exists() else None


def _copy(original: Path, copy: Path) -> None:
    """Make the whole copy, or none, for its owner alone."""
    name = ""
    try:
        handle, name = tempfile.mkstemp(dir=copy.parent, prefix=f".{copy.name}.")  # its mode is 0600
        os.close(handle)
        draft = Path(name)
        if original.suffix == ".keys":
            shutil.copyfile(original, draft)
        else:
            with progress.bar(original.name) as show:
                sqlite_file.copy(original, draft, show)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        copy.hardlink_to(draft)  # which fails where there is one by now
    except OSError as error:
        raise CannotDo(f"{copy}: the file cannot be made ({error.strerror})") from None
    finally:
        for end in ("", "-wal", "-shm", "-journal") if name else ():
            Path(f"{name}{end}").unlink(missing_ok=True)
