"""`accounts`: take over the users of another server."""

from __future__ import annotations

import argparse
import time

from otp_app.cli.open_store import CannotDo, as_url, existing, exit_status, settings_of
from otp_app.core.errors import OtpError
from otp_app.plugins.loading import load_object

IMPORT = """\
Copy the users of another server, and what they did, into the database of DATABASE_URL. Read are phone_number and
is_verified of its table `users`, and phone_number, event_type and event_time (UTC) of `user_activity`. Users who are
there already stay as they are. Servers may run."""


def describe(parser: argparse.ArgumentParser) -> None:
    """Add the commands."""
    commands = parser.add_subparsers(required=True)
    taking = commands.add_parser("import", help="copy the users of another server", description=IMPORT)
    taking.add_argument(
        "source", metavar="FROM", type=as_url, help="URL of its database, like DATABASE_URL; @FILE reads it from a file"
    )
    taking.set_defaults(run=_import)


def _import(args: argparse.Namespace) -> int:
    def work() -> None:
        settings = settings_of({"DATABASE_URL"})
        try:
            import_accounts = load_object("otp_app.accounts.importer:import_accounts", "command")
            done = import_accounts(existing("FROM", args.source), settings.database_url, int(time.time()))
        except (ValueError, OtpError) as error:
            raise CannotDo(str(error)) from None
        print(f"Users imported: {done.users}, with {done.activity} lines of activity.")
        print(f"Already here: {done.known}. Without a phone number that can be read: {done.unreadable}.")

    return exit_status(work)
