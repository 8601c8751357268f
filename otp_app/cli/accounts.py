"""`accounts`: take over the users of another server."""

from __future__ import annotations

import time

import click

from otp_app.cli.command import CannotDo, Family, json_option, say
from otp_app.cli.open_store import existing, settings_of
from otp_app.cli.parameters import Url
from otp_app.cli.sources import Source, absolute
from otp_app.core.errors import OtpError
from otp_app.plugins.loading import load_object
from otp_app.settings import keyring


@click.group(cls=Family)
def accounts() -> None:
    """Take over the users of another server."""


@accounts.command("import", example="accounts import sqlite:///old.db")
@click.argument("source", metavar="FROM", type=Url())
@json_option()
def import_(source: str, as_json: bool) -> None:
    """Copy the users of another server.

    Users and their activity are copied into the database of DATABASE_URL. FROM is the URL of the other database; @FILE
    reads the URL from a file. The command reads phone_number and is_verified from its table `users`, and phone_number,
    event_type and event_time (UTC) from `user_activity`. Existing users are not changed. Servers may run.
    """
    settings = settings_of({"DATABASE_URL"})
    file = keyring.database(settings.database_url)
    is_new = file is not None and not file.exists()
    Source("accounts", "DATABASE_URL", absolute(settings.database_url)).announce()
    try:
        import_accounts = load_object("otp_app.accounts.importer:import_accounts", "command")
        done = import_accounts(existing("FROM", source), settings.database_url, int(time.time()))
    except (ValueError, OtpError) as error:
        raise CannotDo(str(error)) from None
    say(
        as_json,
        done._asdict(),
        f"Users imported: {done.users}, with {done.activity} lines of activity.",
        f"Already here: {done.known}. Without a phone number that can be read: {done.unreadable}.",
        *([f"The database is new: {file.absolute()}"] if file and is_new else []),
    )
