"""The command line: make keys, check the settings, look at the records, move a store."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from otp_app.cli import keys, records, store
from otp_app.core.errors import OtpError
from otp_app.startup import BadSettings, advice, directory_fault, load, prepare


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    args = _parser().parse_args(argv)
    for name in ("psycopg.pool", "otp_app.directories"):  # a command's error is one line, its own
        logging.getLogger(name).addHandler(logging.NullHandler())
    return int(args.run(args))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m otp_app", description="A server of one-time codes: its tools.")
    commands = parser.add_subparsers(required=True)
    check = commands.add_parser("check", help="say whether the server would start with these settings")
    check.set_defaults(run=_check)
    keys.describe(commands.add_parser("keys", help="make keys"))
    records.describe_listing(commands.add_parser("verifications", help="list the verifications that a store remembers"))
    records.describe_purge(commands.add_parser("purge", help="forget quiet numbers before they end by themselves"))
    store.describe(commands.add_parser("store", help="move records to another store"))
    return parser


def _check(_: argparse.Namespace) -> int:
    try:
        settings = load()
        lines = prepare(settings)
    except BadSettings as error:
        print(*error.faults, sep="\n", file=sys.stderr)
        return 1
    except OtpError as error:
        print(f"OTP_STORE_URL: {error}", file=sys.stderr)
        return 1
    if fault := directory_fault(settings):
        print(fault, file=sys.stderr)
        return 1
    print(*advice(settings), *lines, "The settings are in order.", sep="\n")
    return 0
