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
from otp_app.cli.open_store import NAMING, existing, settings_of, without_secrets
from otp_app.history import opening
from otp_app.maintenance import sqlite_file
from otp_app.settings import Settings, keyring

OTHERS = {
    "redis": "OTP_STORE_URL: back up Redis with its own tool: redis-cli --rdb FILE",
    "postgres": "OTP_STORE_URL: back up PostgreSQL with its own tool: pg_dump --format=custom --file=FILE URL",
    "memory": "OTP_STORE_URL: a store in memory has no file",
}
KEYS = "The keys are in the settings (OTP_SECRET_KEYS, OTP_INDEX_KEY): keep a copy of those too."


@click.command(cls=Command, example="backup otp-backup.db")
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
@json_option()
def backup(target: Path, as_json: bool) -> None:
    """Copy the database and its keys while servers run.

    FILE gets the SQLite database of OTP_STORE_URL as it is at this moment, and files beside it the keys (`.keys`), the
    history and the accounts, where they are there. Existing files are not replaced. A backup has phone numbers, and
    with the keys it reveals pending codes: keep it as you keep the server.
    """
    settings = settings_of(NAMING | {"DATABASE_URL", "OTP_HISTORY_URL"})
    url = settings.otp_store_url
    print(f"Store: {without_secrets(url)}", file=sys.stderr)
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
    has_keys = source.with_suffix(".keys") in files
    say(as_json, {"files": [str(copy) for copy in files.values()]}, *lines, *([] if has_keys else [KEYS]))


def _files(store: Path, settings: Settings, target: Path) -> dict[Path, Path]:
    """Return what there is, and where its copy comes: beside FILE as it lies beside the store."""
    wanted = {store: target, store.with_suffix(".keys"): target.with_suffix(".keys")}
    if history := keyring.database(opening.url_of(settings)):
        wanted[history] = opening.beside(target)
    if accounts := keyring.database(settings.database_url):
        wanted[accounts] = target.with_name(f"{target.stem}-accounts{target.suffix}")
    return {original: copy for original, copy in wanted.items() if original.exists()}


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
