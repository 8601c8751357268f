"""The command line. A new command is a file beside this one and a line in COMMANDS."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Sequence

import click

from otp_app.apis import COMMANDS as SERVED
from otp_app.apis import directories
from otp_app.cli.command import Entry, Program, run
from otp_app.version import __version__

COMMANDS = {
    "accounts": Entry("otp_app.cli.accounts:accounts", "Take over the users of another server."),
    "backup": Entry("otp_app.cli.backup:backup", "Copy the database and its keys while servers run."),
    "check": Entry("otp_app.cli.check:check", "Check whether the server would start with these settings."),
    "doctor": Entry("otp_app.cli.doctor:doctor", "Find what keeps messages and receipts from arriving."),
    "erase": Entry("otp_app.cli.person:erase", "Erase everything that is stored about a number."),
    "events": Entry("otp_app.cli.events:events", "List the events that their receiver did not accept."),
    "export": Entry("otp_app.cli.person:export", "Print everything that is stored about a number."),
    "keys": Entry("otp_app.cli.keys:keys", "Create, list, revoke and rotate keys."),
    "notify": Entry("otp_app.cli.messages:notify", "Queue a notification on the running server."),
    "numbers": Entry("otp_app.cli.numbers:numbers", "Block and unblock a number, reset its limits."),
    "purge": Entry("otp_app.cli.purge:purge", "Delete the records of unused numbers early."),
    "send": Entry("otp_app.cli.messages:send", "Send a code to a number through the running server."),
    "serve": Entry("otp_app.cli.serve:serve", "Serve the HTTP APIs."),
    "stats": Entry("otp_app.cli.stats:stats", "Count what was sent, delivered and approved."),
    "store": Entry("otp_app.cli.store:store", "Move all records to another store."),
    "verifications": Entry("otp_app.cli.verifications:verifications", "List, show and cancel verifications."),
    "verify": Entry("otp_app.cli.messages:verify", "Check a code on the running server."),
    "worker": Entry("otp_app.cli.worker:worker", "Process messages from RabbitMQ."),
    **{name: Entry("otp_app.cli.apis:command", f"Serve the API {name}.") for name in SERVED},
    **({"users": Entry("otp_app.cli.users:users", "Check a directory of users.")} if directories() else {}),
}


def main(arguments: Sequence[str] | None = None, name: str = "otp-app") -> int:
    """Run one command, by default that of the process; return its exit status. `name`: how the program was called."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal whose locale does not have every letter
    for logger in ("psycopg.pool", "otp_app.apis"):  # a command's error is one line, its own
        logging.getLogger(logger).addHandler(logging.NullHandler())
    settings = {"help_option_names": ["-h", "--help"]}
    program = Program(COMMANDS, help="Tools for the otp_app server.", context_settings=settings)
    version = click.version_option(__version__, message="otp-app %(version)s", help="Show the version.")
    return run(version(program), arguments, name)
