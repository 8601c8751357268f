"""`export` and `erase`: all that is stored of a number, for whoever asks what that is, or asks to be forgotten."""

from __future__ import annotations

import json
import sys
import time

import click

from otp_app.cli.all_of_number import Opened, all_of_number, in_accounts
from otp_app.cli.command import CannotDo, Command, json_option, looked_at, say
from otp_app.cli.open_store import KEYS, NAMING, require_changes, require_records, settings_of
from otp_app.cli.parameters import Number
from otp_app.history.opening import url_of
from otp_app.history.reading import shown
from otp_app.maintenance import person
from otp_app.maintenance.sqlite_file import scrub
from otp_app.settings import Settings, keyring

WHERE = NAMING | KEYS | {"DATABASE_URL", "OTP_HISTORY_URL"}
STOPPED = "The number wrote STOP or is blocked, which would be forgotten: add --forget-stop to do so"
UNREADABLE = "Records that cannot be read: {count}. Their events are not found, and go within seven days"
LIMITS = "Its limits start from zero. Counters of clients stay to the end of their time: hashes without a number."
ELSEWHERE = {
    "redis": "Redis keeps deleted bytes in its files until they are written anew: redis-cli BGREWRITEAOF, and SAVE",
    "postgres": "PostgreSQL keeps deleted bytes until VACUUM, and in its log until that is recycled",
}


@click.command(cls=Command, example="export +14155552671")
@click.argument("number", type=Number())
@json_option("print it on one line")
def export(number: str, as_json: bool) -> None:
    """Print everything that is stored about a number.

    It prints the records of the number in the store, with tags and notifications, its rows in the history, and its user
    in the database of accounts, with the whole number. Codes and tokens are not stored. The command does not read
    backups or logs.
    """
    settings = settings_of(WHERE)
    with all_of_number(settings) as found:
        require_records(found.store)
        entries = person.entries(found.store, number)
        account = in_accounts(settings, "stored", number) if found.has_accounts else None
        rows = [shown(row) for row in found.history.of_number(number)] if found.history else []
    for line in found.hints + _unreadable(entries):
        print(line, file=sys.stderr)
    records = [entry.shown() for entry in entries]
    everything = {"number": number, "store": records, "history": rows, "account": account, **looked_at()}
    print(json.dumps(everything, indent=None if as_json else 2))


@click.command(cls=Command, example="erase +14155552671 --yes")
@click.argument("number", type=Number())
@click.option("--yes", is_flag=True, help="do not ask for confirmation")
@click.option("--forget-stop", is_flag=True, help="even if the number wrote STOP or is blocked, which is forgotten")
@json_option()
def erase(number: str, yes: bool, forget_stop: bool, as_json: bool) -> None:
    """Erase everything that is stored about a number.

    The command deletes everything that `export` prints, and rewrites SQLite files so that no byte of the number is left
    in them. With a large file, servers answer 503 for some seconds. A pending code no longer works. Backups, logs and
    the directory of users are not changed.
    """
    settings = settings_of(WHERE)
    with all_of_number(settings) as found:
        require_changes(found.store)
        entries = person.entries(found.store, number)
        if person.is_refused(entries) and not forget_stop:
            raise CannotDo(STOPPED)
        if not yes:
            click.confirm(f"Erase {len(entries)} records of {number}, and its user?", abort=True, err=True)
        records = person.erase(found.store, number)
        had_account = found.has_accounts and bool(in_accounts(settings, "erase", number))
        rows = found.history.erase(number, time.time()) if found.history else 0
    used = _used(settings, found)
    for file in filter(None, map(keyring.database, used)):
        scrub(file)
    hints = [line for name, line in ELSEWHERE.items() if any(url.startswith(name) for url in used)]
    hints += found.hints + _unreadable(entries)
    result = {"records": records, "history": rows, "account": had_account, "left_to_do": hints}
    counts = f"Records erased: {records}. Rows of the history: {rows}. Users erased: {int(had_account)}."
    say(as_json, result, counts, LIMITS, *hints)


def _unreadable(entries: list[person.Entry]) -> list[str]:
    count = person.unreadable(entries)
    return [UNREADABLE.format(count=count)] if count else []


def _used(settings: Settings, found: Opened) -> set[str]:
    """Return the URLs of what was found."""
    history = url_of(settings) if found.history else ""
    return {settings.otp_store_url, history, settings.database_url if found.has_accounts else ""}
