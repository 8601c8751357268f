"""`events`: how many events their receiver has not taken, and which ones are told no more."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import click

from otp_app.background.webhooks.message import told_at
from otp_app.cli.command import CannotDo, Family, json_option, show_lines
from otp_app.cli.open_store import require_records, store_in_use
from otp_app.core import outbox
from otp_app.core.moving import Searchable
from otp_app.core.outbox import OUTBOX, Box


@click.group(cls=Family)
def events() -> None:
    """List the events that their receiver did not accept."""


@events.command(example="events dead --json")
@json_option("print a JSON object a line")
def dead(as_json: bool) -> None:
    """List the events that are no longer sent.

    These are the events in the store of OTP_STORE_URL that their receiver did not accept within 24 hours, and the
    oldest ones if more than 100,000 were waiting. They are not sent again, and are deleted after seven days. At most 50
    events of one verification are listed. Nothing is changed. Servers may run.
    """
    with store_in_use() as store:
        require_records(store)
        if not isinstance(store, Searchable):
            raise CannotDo("OTP_STORE_URL: this command needs sqlite, redis or postgresql")
        boxes = {item.key.removeprefix(OUTBOX): box for item, box in outbox.boxes(store)}
    rows = sorted((row for id_, box in boxes.items() for row in _rows(id_, box)), key=lambda row: row["timestamp"])
    show_lines([json.dumps(row) if as_json else _line(row) for row in rows])
    waiting = sum(len(box.waiting) for box in boxes.values())
    given_up = sum(box.dead_count for box in boxes.values())
    print(f"Dead: {given_up}. Waiting: {waiting}.", file=sys.stderr)


def _rows(verification_id: str, box: Box) -> Iterator[dict[str, str]]:
    for event in box.dead:
        yield {
            "timestamp": told_at(event.at),
            "webhook_id": f"{verification_id}-{event.number}",
            "type": event.kind,
            "to": box.to,
            "purpose": box.purpose,
        }


def _line(row: dict[str, str]) -> str:
    return "  ".join(row.values())
