"""The command line: create keys, check the settings, list records, move a store, take over users, serve an API."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from otp_app.cli import accounts, events, keys, records, serve, store, worker
from otp_app.core.errors import OtpError
from otp_app.settings import Settings
from otp_app.settings.model import fields_of
from otp_app.startup import BadSettings, advice, load, look, unreachable


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    args = _parser().parse_args(argv)
    for name in ("psycopg.pool", "otp_app.apis"):  # a command's error is one line, its own
        logging.getLogger(name).addHandler(logging.NullHandler())
    return int(args.run(args))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m otp_app", description="Tools for the otp_app server.")
    commands = parser.add_subparsers(required=True)
    check = commands.add_parser("check", help="check whether the server would start with the current settings")
    check.set_defaults(run=_check)
    accounts.describe(commands.add_parser("accounts", help="take over the users of another server"))
    events.describe(commands.add_parser("events", help="list the events that their receiver did not take"))
    keys.describe(commands.add_parser("keys", help="create API keys, accounts and secret keys"))
    records.describe_listing(commands.add_parser("verifications", help="list the verifications in the store, show one"))
    records.describe_purge(commands.add_parser("purge", help="delete the records of unused numbers early"))
    store.describe(commands.add_parser("store", help="move all records to another store"))
    serve.add(commands)
    worker.describe(commands.add_parser("worker", help="send, or note, what messages of RabbitMQ ask for"))
    return parser


def _placeholders(settings: Settings) -> list[str]:
    """Return a line for each placeholder that was not replaced, and for a `.env` that other users can read."""
    env = Path(".env")
    is_shared = env.exists() and env.stat().st_mode & 0o077
    lines = [f"{env}: other users can read this file. Run: chmod 600 {env}"] if is_shared else []
    given = ((found, getattr(model, found.name)) for model in settings.providers for found in fields_of(type(model)))
    zeros = [found.variable for found, value in given if str(value).endswith("0" * 32)]
    return lines + [f"{name}: this is a placeholder. Copy the value from your provider's console" for name in zeros]


def _check(_: argparse.Namespace) -> int:
    try:
        settings = load()
        lines = look(settings) + _placeholders(settings)
    except BadSettings as error:
        print(*error.faults, sep="\n", file=sys.stderr)
        return 1
    except OtpError as error:
        print(f"OTP_STORE_URL: {error}", file=sys.stderr)
        return 1
    if faults := unreachable(settings):
        print(*faults, sep="\n", file=sys.stderr)
        return 1
    print(*advice(settings), *lines, "The settings are in order.", sep="\n")
    return 0
