"""`purge`: delete the records of quiet numbers."""

from __future__ import annotations

import time

import click

from otp_app.cli.command import Command, json_option, say
from otp_app.cli.open_store import require_changes, store_in_use
from otp_app.cli.parameters import Days
from otp_app.core.policy import DAY
from otp_app.maintenance import records


@click.command(cls=Command, example="purge --days 30 --dry-run")
@click.option("--days", type=Days(), default=30, show_default=True, metavar="N", help="days without use, 1 or more")
@click.option("--dry-run", is_flag=True, help="delete nothing; print how many numbers would be deleted")
@json_option()
def purge(days: int, dry_run: bool, as_json: bool) -> None:
    """Delete the records of unused numbers early.

    It deletes the records of numbers that were not used for --days days from the store of OTP_STORE_URL. Use it only if
    a retention rule requires it: records expire by themselves, a day after the last message or 31 days after a wrong
    code. Deleting them also deletes their wrong attempts, whose sum over 30 days bounds guessing. Numbers that are used
    while it runs, idempotency keys and counters are kept. Servers may run.
    """
    with store_in_use() as store:
        require_changes(store)
        quiet, forgotten = records.purge(store, time.time() - days * DAY, dry_run=dry_run)
    would = f"Numbers that would be deleted: {quiet}"
    did = f"Numbers deleted: {forgotten}. Kept because they were used meanwhile: {quiet - forgotten}."
    result = {"dry_run": dry_run, "unused": quiet, "deleted": forgotten}
    say(as_json, result, would if dry_run else did)
