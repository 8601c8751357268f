"""`verifications`: list those in the store in use, show what became of one, or of all of a number, and cancel one."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from otp_app.cli import showing
from otp_app.cli.client import server_of, server_options
from otp_app.cli.command import MISUSED, CannotDo, Family, json_option, say, show_lines
from otp_app.cli.open_store import require_records, store_in_use
from otp_app.cli.parameters import Number, Since
from otp_app.core.codes import SID_DIGITS
from otp_app.core.ledger import Status
from otp_app.maintenance import records
from otp_app.maintenance.records import Listed
from otp_app.system.clock import system_clock
from otp_app.web.timeline import at

HEAD = ("VERIFICATION", "TO", "PURPOSE", "STATUS", "STARTED", "SENDS", "WRONG")


@click.group(cls=Family, invoke_without_command=True, example="verifications")
@json_option("print a JSON object a line")
@click.pass_context
def verifications(ctx: click.Context, as_json: bool) -> None:
    """List, show and cancel verifications.

    Without a command, all verifications in the store of OTP_STORE_URL are listed.
    """
    if ctx.invoked_subcommand is None:
        _list(None, 0.0, None, as_json=as_json)


verifications.add_command(showing.show)


@verifications.command("list", example="verifications list --number +14155552671 --since 24h --status pending")
@click.option("--number", type=Number(), help="only those of a phone number")
@click.option("--since", type=Since(), default=0.0, help="only those begun since then: 24h, 7d, 2026-11-29 (UTC)")
@click.option("--status", type=click.Choice([status.value for status in Status]), help="only those with this status")
@json_option("print a JSON object a line")
def list_(number: str | None, since: float, status: str | None, as_json: bool) -> None:
    """List the verifications in the store.

    The list has the verifications in the store of OTP_STORE_URL: pending ones first, the newest first within each
    group. It contains no codes and no whole numbers. Servers may run; changes made during the scan may be missing.
    """
    _list(number, since, status, as_json=as_json)


@verifications.command(example="verifications cancel VE0123456789abcdef0123456789abcdef")
@click.argument("verification_id", metavar="ID", required=False)
@click.option("--number", type=Number(), help="cancel all pending ones of a phone number")
@server_options
@json_option("print the server's answer; with --number, one a line")
def cancel(verification_id: str | None, number: str | None, url: str, key_file: Path | None, as_json: bool) -> None:
    """Cancel a pending verification, or those of a number.

    The running server ends them, and their codes no longer work. The API key needs the scope verify. With --number, the
    command finds the verifications in the store of OTP_STORE_URL, which must be the server's.
    """
    if (verification_id is None) == (number is None):
        raise CannotDo(showing.FIRST, MISUSED)
    if verification_id and not re.fullmatch(f"VE{SID_DIGITS}", verification_id):
        raise CannotDo("An id is VE and 32 hex digits", MISUSED)
    ids = [verification_id] if verification_id else _pending(str(number))
    if not ids:
        raise CannotDo("Nothing is pending for this number")
    server = server_of(url, key_file)
    for id_ in ids:
        answer = server.ask("DELETE", f"/verifications/{id_}", ("verification_id", "status"))
        say(as_json, answer, f"{answer['verification_id']}: {answer['status']}")


def _pending(number: str) -> list[str]:
    with store_in_use() as store:
        require_records(store)
        found = records.listing(store, system_clock()(), number).verifications
    return [listed.verification_id for listed in found if listed.status == Status.PENDING]


def _list(number: str | None, since: float, status: str | None, *, as_json: bool) -> None:
    with store_in_use() as store:
        require_records(store)
        everything, unreadable = records.listing(store, system_clock()(), number)
    found = [v for v in everything if v.begun >= since and (not status or v.status == status)]
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
        "created_at": at(listed.begun),
        "sends": len(listed.channels),
        "channels": listed.channels,
        "attempts": listed.attempts,
    }


def _cells(listed: Listed) -> tuple[str, ...]:
    sends = f"{len(listed.channels)} {','.join(dict.fromkeys(listed.channels))}"
    begun, attempts = at(listed.begun), str(listed.attempts)
    return listed.verification_id, listed.to or "-", listed.purpose, listed.status, begun, sends, attempts


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
