"""`stats`: what was sent, delivered and approved."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

import click

from otp_app.cli.command import CannotDo, Command, json_option, show_lines
from otp_app.cli.open_store import NAMING, settings_of
from otp_app.cli.parameters import Since
from otp_app.cli.sources import Source
from otp_app.core.endings import Kind
from otp_app.core.policy import DAY
from otp_app.history.opening import open_reader, url_of
from otp_app.history.reading import BY, BY_DAY, Reader, Sums
from otp_app.settings import Settings

NONE = (
    "OTP_HISTORY_URL: no history is kept: set it to sqlite:///var/otp-history.db or to a database of PostgreSQL, and "
    "restart the servers"
)
HEAD = ("TOTAL", "SENT", "DELIVERED", "APPROVED", "CONVERSION", "FAILED", "TO DELIVERY", "TO APPROVAL")
A_WEEK = 7 * DAY


@click.command(cls=Command, example="stats --since 7d --by country")
@click.option("--since", type=Since(), help="count from that day (UTC): 24h, 30d, 2026-11-29; default: 7 days")
@click.option("--by", type=click.Choice(BY), default=BY_DAY, show_default=True, help="group the counts by this")
@click.option("--notifications", is_flag=True, help="count notifications instead of verifications")
@json_option("print a JSON object a line")
def stats(since: float | None, by: str, notifications: bool, as_json: bool) -> None:
    """Count what was sent, delivered and approved.

    The command counts ended verifications in the history of OTP_HISTORY_URL, by the day on which they began. SENT: a
    message was sent, or may have been. FAILED: no message was sent. CONVERSION: the share of SENT that was approved.
    Times are means, in seconds since the beginning. A verification is counted some seconds after its end; if nobody
    enters the code, it ends when the code expires. Servers may run.
    """
    kind, begun = Kind.NOTIFICATION if notifications else Kind.VERIFICATION, since or time.time() - A_WEEK
    with history_of(settings_of(NAMING | {"OTP_HISTORY_URL"})) as history:
        if not history.has_begun():
            raise CannotDo("There is no history yet: the first server that keeps one begins it")
        found = [(_named(by, value), sums) for value, sums in history.sums(kind, by, begun)]
    if as_json:
        show_lines([json.dumps({by: value or None} | _plain(sums)) for value, sums in found])
    else:
        rows = [(value or "-", *_cells(sums)) for value, sums in found]
        show_lines(_table([(by.upper(), *HEAD), *rows]))


@contextmanager
def history_of(settings: Settings) -> Iterator[Reader]:
    """Open the history that the settings name, and tell which it is. Raises CannotDo."""
    try:
        opened = open_reader(settings)
    except ValueError as error:
        raise CannotDo(f"OTP_HISTORY_URL: {error}") from None
    if opened is None:
        raise CannotDo(NONE)
    Source("history", "OTP_HISTORY_URL", url_of(settings)).announce()
    with closing(opened) as reader:
        yield reader


def _named(by: str, value: str) -> str:
    return datetime.fromtimestamp(int(value) * DAY, UTC).date().isoformat() if by == BY_DAY else value


def _plain(sums: Sums) -> dict[str, Any]:
    conversion, delivery, approval = sums.conversion, sums.seconds_to_delivery, sums.seconds_to_approval
    return {
        "total": sums.total, "sent": sums.sent, "delivered": sums.delivered, "approved": sums.approved,
        "failed": sums.failed, "messages": sums.messages, "attempts": sums.attempts,
        "conversion": None if conversion is None else round(conversion, 4),
        "seconds_to_delivery": None if delivery is None else round(delivery, 1),
        "seconds_to_approval": None if approval is None else round(approval, 1),
    }


def _cells(sums: Sums) -> tuple[str, ...]:
    conversion = "-" if sums.conversion is None else f"{sums.conversion:.1%}"
    counts = map(str, (sums.total, sums.sent, sums.delivered, sums.approved))
    times = ("-" if mean is None else f"{mean:.1f} s" for mean in (sums.seconds_to_delivery, sums.seconds_to_approval))
    return (*counts, conversion, str(sums.failed), *times)


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
