"""`verifications`: list those in the store in use, and show what became of one, or of all of a number."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from otp_app.cli import showing
from otp_app.cli.command import Family, json_option, show_lines
from otp_app.cli.open_store import require_records, store_in_use
from otp_app.clock import system_clock
from otp_app.core.ledger import Status
from otp_app.maintenance import records
from otp_app.maintenance.records import Listed

HEAD = ("VERIFICATION", "TO", "PURPOSE", "STATUS", "STARTED", "SENDS", "WRONG")


@click.group(cls=Family, invoke_without_command=True, example="verifications --json")
@json_option("print a JSON object a line")
@click.pass_context
def verifications(ctx: click.Context, as_json: bool) -> None:
    """List the verifications in the store, show one.

    Those in the store of OTP_STORE_URL: pending ones first, the newest first within each group. The list contains no
    codes and no whole numbers. Servers may run; changes made during the scan may be missing.
    """
    if ctx.invoked_subcommand is None:
        _list(as_json)


verifications.add_command(showing.show)


def _list(as_json: bool) -> None:
    with store_in_use() as store:
        require_records(store)
        found, unreadable = records.listing(store, system_clock()())
    show_lines([json.dumps(_plain(v)) for v in found] if as_json else _table([HEAD, *map(_cells, found)]))
    pending = sum(v.status == Status.PENDING for v in found)
    print(f"Verifications: {len(found)}. Pending: {pending}.", file=sys.stderr)
    if unreadable:
        print(f"Unreadable records: {unreadable}", file=sys.stderr)


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
