"""`store`: move all records to another store."""

from __future__ import annotations

import sys
from contextlib import closing, nullcontext

import click

from otp_app.cli import progress
from otp_app.cli.command import CannotDo, Family, json_option, say, when_interrupted
from otp_app.cli.open_store import existing, in_folder, whole
from otp_app.cli.parameters import Url
from otp_app.cli.sources import absolute, without_secrets
from otp_app.core.errors import OtpError
from otp_app.core.moving import Movable
from otp_app.core.store import ServerChecks
from otp_app.history import opening
from otp_app.maintenance.copy import BATCH, CannotMove, copy_records, thaw
from otp_app.settings import keyring
from otp_app.startup.reader import read

MOVED = """\
The first store stays frozen. Now, on all servers:
- set OTP_STORE_URL to the second store{place};
- keep OTP_SECRET_KEYS and OTP_INDEX_KEY, or no code works. If they are not set, copy the two lines of the .keys file
  beside the SQLite database into the settings of all servers;
- restart. If OTP_STORE_URL is in .env or in a *_FILE, a reload is enough. Until then the servers answer 503."""

HISTORY = """\
The history of the first store stays in {place}, where the servers will not look any more. To go
on with it, set {setting} on the servers. Else delete it: `export` and `erase` find nothing in
it, and nothing deletes its old rows."""

INTERRUPTED = "Interrupted. If servers still answer 503, run `store thaw` on the first store."


@click.group(cls=Family)
def store() -> None:
    """Move all records to another store."""


@store.command(example="store copy sqlite:///var/otp.db @new_url.txt")
@click.argument("source", metavar="FROM", type=Url())
@click.argument("target", metavar="TO", type=Url())
@json_option()
@when_interrupted(INTERRUPTED)
def copy(source: str, target: str, as_json: bool) -> None:
    """Copy all records and freeze the first store.

    FROM is the URL of the store in use, TO the URL of an empty one; @FILE reads a URL from a file. Servers answer 503
    until they use the second store.
    """
    source_url, target_url = existing("FROM", source), in_folder("TO", target)
    history = _left_behind(source_url, target_url)
    with whole("FROM", source_url) as first, whole("TO", target_url) as second:
        _look_at_server(second)
        try:
            with progress.bar("Copying records", _show_tenths) as show:
                copied = copy_records(first, second, show)
        except CannotMove as error:
            raise CannotDo(str(error)) from None
    file = keyring.database(target_url)
    place = str(file.absolute()) if file else ""
    then = MOVED.format(place=f", {place}" if place else "")
    result = {"copied": copied, "file": place or None, "history": without_secrets(history) if history else None}
    say(as_json, result, f"Copied {copied} records.", then, *([_what_to_do(history)] if history else []))


@store.command("thaw", example="store thaw sqlite:///var/otp.db")
@click.argument("url", metavar="URL", type=Url())
@json_option()
@when_interrupted(INTERRUPTED)
def thaw_(url: str, as_json: bool) -> None:
    """Unfreeze a store after an interrupted copy.

    URL is that of the first store; @FILE reads it from a file.
    """
    with whole("URL", existing("URL", url)) as frozen:
        try:
            thaw(frozen)
        except CannotMove as error:
            raise CannotDo(str(error)) from None
    say(as_json, {"usable": True}, "The store is usable again.")


def _left_behind(source_url: str, target_url: str) -> str:
    """Return the URL of the first store's history, "" unless there is one that servers of the second store leave."""
    settings, _ = read()  # with a fault in OTP_HISTORY_URL it is better named than not
    before, after = (opening.url_of(settings, url) for url in (source_url, target_url))
    if before == after:
        return ""
    try:
        opened = opening.open_reader(settings, store_url=source_url)
        with closing(opened) if opened else nullcontext() as reader:
            return absolute(before) if reader and reader.has_begun() else ""
    except (ValueError, OtpError):
        return absolute(before)


def _what_to_do(history: str) -> str:
    file = keyring.database(history)
    setting = f"OTP_HISTORY_URL={history}" if file else "OTP_HISTORY_URL to the URL of the first store"
    return HISTORY.format(place=file or "its database", setting=setting)


def _look_at_server(target: Movable) -> None:
    """Raise CannotDo if no server would start on the target, before anything is frozen; print its advice."""
    if isinstance(target, ServerChecks):
        if faults := target.faults():
            raise CannotDo("\n".join(f"TO: {line}" for line in faults))
        for line in target.advice():
            print(f"TO: {line}", file=sys.stderr)


def _show_tenths(done: int, total: int) -> None:
    """Print a line for each tenth."""
    share = done / max(total, 1)
    if int(10 * share) > int(10 * max(done - BATCH, 0) / max(total, 1)):
        print(f"{int(100 * share):3}%  {done} of {total}", file=sys.stderr, flush=True)
