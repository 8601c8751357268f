"""`export` and `erase`: all that is stored of a number, for whoever asks what that is, or asks to be forgotten."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import Any

import click

from otp_app.cli.command import CannotDo, Command, json_option, say
from otp_app.cli.open_store import NAMING, require_records, settings_of, store_in_use
from otp_app.cli.parameters import Number
from otp_app.core.errors import OtpError, StoreUnavailable
from otp_app.history.opening import open_reader, url_of
from otp_app.history.reading import Reader, shown
from otp_app.maintenance import person
from otp_app.maintenance.sqlite_file import scrub
from otp_app.plugins.loading import load_object
from otp_app.settings import Settings, keyring

WHERE = NAMING | {"DATABASE_URL", "OTP_HISTORY_URL", "OTP_INDEX_KEY", "OTP_SECRET_KEYS"}
STOPPED = "The number wrote STOP or is blocked, which would be forgotten: add --forget-stop to do so"
LIMITS = "Its limits start from zero. Counters of clients stay to the end of their time: hashes without a number."
ELSEWHERE = {
    "redis": "Redis keeps deleted bytes in its files until they are written anew: redis-cli BGREWRITEAOF, and SAVE",
    "postgres": "PostgreSQL keeps deleted bytes until VACUUM, and in its log until that is recycled",
}


@click.command(cls=Command, example="export +14155552671")
@click.argument("number", type=Number())
@json_option("print it on one line")
def export(number: str, as_json: bool) -> None:
    """Print all that is stored of a number.

    These are the records of the number in the store, with tags and notifications, its rows in the history, and its user
    in the database of accounts, with the whole number. Neither codes nor tokens are stored. Backups and logs of others
    are not looked at.
    """
    settings = settings_of(WHERE)
    with store_in_use() as store:
        require_records(store)
        records = [entry.shown() for entry in person.entries(store, number)]
    account = _in_accounts(settings, "stored", number)
    with _history(settings) as history:
        rows = [shown(row) for row in history.of_number(number)] if history else []
    everything = {"number": number, "store": records, "history": rows, "account": account}
    print(json.dumps(everything, indent=None if as_json else 2))


@click.command(cls=Command, example="erase +14155552671 --yes")
@click.argument("number", type=Number())
@click.option("--yes", is_flag=True, help="do not ask")
@click.option("--forget-stop", is_flag=True, help="also where the number wants no notifications (STOP), or is blocked")
@json_option()
def erase(number: str, yes: bool, forget_stop: bool, as_json: bool) -> None:
    """Erase all that is stored of a number.

    Everything that `export` prints is deleted, and SQLite files are written anew, so that no byte of the number is left
    in them: with a large one servers answer 503 for seconds. A pending code is no good any more. What you keep in
    backups, logs and the directory of users is not changed.
    """
    settings = settings_of(WHERE)
    with store_in_use() as store:
        if frozen := store.frozen():
            raise StoreUnavailable(frozen.message)
        found = person.entries(store, number)
        if person.is_refused(found) and not forget_stop:
            raise CannotDo(STOPPED)
        if not yes:
            click.confirm(f"Erase {len(found)} records of {number}, and its user?", abort=True, err=True)
        records = person.erase(store, number)
    had_account = bool(_in_accounts(settings, "erase", number))
    with _history(settings) as history:
        rows = history.erase(number) if history else 0
    for url in {settings.otp_store_url, settings.database_url, url_of(settings)}:
        if (file := keyring.database(url)) and file.exists():
            scrub(file)
    kind = settings.otp_store_url[:5]
    hints = [line for name, line in ELSEWHERE.items() if kind == name[:5]]
    result = {"records": records, "history": rows, "account": had_account, "left_to_do": hints}
    counts = f"Records erased: {records}. Rows of the history: {rows}. Users erased: {int(had_account)}."
    say(as_json, result, counts, LIMITS, *hints)


@contextmanager
def _history(settings: Settings) -> Iterator[Reader | None]:
    """Open the history, if there is one. Raises CannotDo, also where the key is gone by which it finds numbers."""
    key, missing = b"", ""
    try:
        _, key = keyring.keys(settings)
    except (ValueError, keyring.BadKeyFile) as error:
        missing = str(error)
    try:
        opened = open_reader(settings, key)
    except ValueError as error:
        raise CannotDo(f"OTP_HISTORY_URL: {error}") from None
    with closing(opened) if opened else nullcontext() as reader:
        if reader and missing and reader.has_begun():
            raise CannotDo(missing)
        yield reader


def _in_accounts(settings: Settings, what: str, number: str) -> Any:
    """Return what a function of accounts.person returns; None where there is no database of accounts."""
    file = keyring.database(settings.database_url)
    if file and not file.exists():
        return None
    try:
        function: Callable[[str, str], Any] = load_object(f"otp_app.accounts.person:{what}", "command")
        return function(settings.database_url, number)
    except (ValueError, OtpError) as error:
        raise CannotDo(f"DATABASE_URL: {error}") from None
