"""`verifications` and `purge`: list the records of the store in use, and delete some."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from otp_app.cli import showing
from otp_app.cli.open_store import exit_status, require_records, show_lines, store_in_use
from otp_app.clock import system_clock
from otp_app.core.errors import StoreUnavailable
from otp_app.core.ledger import Status
from otp_app.core.policy import DAY
from otp_app.maintenance import records
from otp_app.maintenance.records import Listed

LISTING = """\
List the verifications in the store of OTP_STORE_URL: pending ones first, the newest first within each group. The list
contains no codes and no whole numbers. Servers may run; changes made during the scan may be missing."""
PURGE = """\
Delete the records of numbers in the store of OTP_STORE_URL that were not used for some days. You need this only if a
retention rule requires it: records expire by themselves, a day after the last message or 31 days after a wrong code.
Deleting them earlier deletes their wrong attempts, whose sum over 30 days bounds guessing. Numbers that are used
meanwhile, idempotency keys and counters are kept. Servers may run."""
HEAD = ("VERIFICATION", "TO", "PURPOSE", "STATUS", "STARTED", "SENDS", "WRONG")


def describe_listing(parser: argparse.ArgumentParser) -> None:
    """Add what `verifications` takes."""
    parser.description = LISTING
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.set_defaults(run=_list)
    showing.describe(parser.add_subparsers().add_parser("show", help="show what became of a verification, or a number"))


def describe_purge(parser: argparse.ArgumentParser) -> None:
    """Add what `purge` takes."""
    parser.description = PURGE
    parser.add_argument("--days", type=_days, default=30, metavar="N", help="days without use, 1 or more (default: 30)")
    parser.add_argument("--dry-run", action="store_true", help="delete nothing; print how many numbers it would be")
    parser.set_defaults(run=_purge)


def _days(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 10_000):
        raise argparse.ArgumentTypeError("must be a number of days from 1 to 10000, such as 30")
    return int(text)


def _list(args: argparse.Namespace) -> int:
    def work() -> None:
        with store_in_use() as store:
            require_records(store)
            found, unreadable = records.listing(store, system_clock()())
        show_lines([json.dumps(_plain(v)) for v in found] if args.json else _table([HEAD, *map(_cells, found)]))
        pending = sum(v.status == Status.PENDING for v in found)
        print(f"Verifications: {len(found)}. Pending: {pending}.", file=sys.stderr)
        if unreadable:
            print(f"Unreadable records: {unreadable}", file=sys.stderr)

    return exit_status(work)


def _purge(args: argparse.Namespace) -> int:
    def work() -> None:
        with store_in_use() as store:
            if frozen := store.frozen():
                raise StoreUnavailable(frozen.message)
            quiet, forgotten = records.purge(store, time.time() - args.days * DAY, dry_run=args.dry_run)
        if args.dry_run:
            print(f"Numbers that would be deleted: {quiet}")
        else:
            print(f"Numbers deleted: {forgotten}. Kept because they were used meanwhile: {quiet - forgotten}.")

    return exit_status(work)


def _plain(listed: Listed) -> dict[str, object]:
    return {
        "verification_id": listed.verification_id,
        "status": listed.status,
        "to": listed.to,
        "purpose": listed.purpose,
        "created_at": _time(listed.begun),
        "sends": len(listed.channels),
        "channels": listed.channels,
        "attempts": listed.attempts,
    }


def _cells(listed: Listed) -> tuple[str, ...]:
    sends = f"{len(listed.channels)} {','.join(dict.fromkeys(listed.channels))}"
    begun, attempts = _time(listed.begun), str(listed.attempts)
    return listed.verification_id, listed.to or "-", listed.purpose, listed.status, begun, sends, attempts


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _time(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
