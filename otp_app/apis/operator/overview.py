"""The first screen: today, the last 30 days, and what goes wrong, from the history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from otp_app.apis.operator import words
from otp_app.apis.operator.cases import DAMAGED
from otp_app.apis.operator.charts import Plot, Series, plot
from otp_app.core.delivery import Channel, error_page, explain
from otp_app.core.endings import Kind
from otp_app.core.policy import DAY
from otp_app.history.database import Database
from otp_app.history.faults import Fault, faults_since
from otp_app.history.reading import BY_DAY, Reader, Sums
from otp_app.history.rows import messages_in
from otp_app.history.totals import PAIR, pair

DAYS = 30
MOST_PAIRS, MOST_FAULTS = 12, 12
NOTHING = Sums(0, 0, 0, 0, 0, 0, 0, 0.0, 0.0)


class Day(NamedTuple):
    """One day (UTC)."""

    name: str  # 2026-11-30
    sums: Sums


class Place(NamedTuple):
    """A country and a channel."""

    country: str
    channel: str
    sums: Sums


class Problem(NamedTuple):
    """One kind of error of the last day, in words."""

    name: str
    subject: str  # the template, or ""
    channel: str
    code: int
    link: str  # where the provider explains the code
    sentence: str
    remedy: str
    is_ours: bool
    times: int
    first: float  # wall clock, seconds
    last: float
    example: str  # id


class ErrorCount(NamedTuple):
    """A class of errors and how often it was seen in 30 days."""

    name: str
    times: int


@dataclass(frozen=True, slots=True)
class Overview:
    """What the first screen shows."""

    kind: Kind
    at: float  # wall clock, seconds
    today: Sums
    days: Sequence[Day]
    month: Sums
    places: Sequence[Place]
    places_left_out: int
    problems: Sequence[Problem]
    errors: Sequence[ErrorCount]
    volume: Plot
    conversion: Plot
    speed: Plot

    @property
    def is_empty(self) -> bool:
        """Whether nothing has ended yet."""
        return not self.month.total


def overview(reader: Reader, database: Database, channels: Sequence[Channel], kind: Kind, now: float) -> Overview:
    """Return the first screen. Raises StoreUnavailable."""
    begun = (now // DAY - DAYS + 1) * DAY
    by_day = dict(reader.sums(kind, BY_DAY, begun))
    numbers = range(int(begun // DAY), int(now // DAY) + 1)
    days = [Day(_date(number), by_day.get(str(number), NOTHING)) for number in numbers]
    places = [_place(value, sums) for value, sums in reader.sums(kind, PAIR, begun) if sums.sent or sums.failed]
    found = faults_since(database, kind, now - DAY, MOST_FAULTS)
    problems = [_problem(fault, channels) for fault in found]
    return Overview(
        kind, now, days[-1].sums, days, _total(days), places[:MOST_PAIRS], len(places[MOST_PAIRS:]),
        problems=sorted(problems, key=lambda problem: (not problem.is_ours, -problem.times)),
        errors=[ErrorCount(words.meaning(error).name, sums.total)
                for error, sums in reader.sums(kind, "error", begun) if error],
        volume=_volume(days, kind), conversion=_conversion(days), speed=_speed(days),
    )  # fmt: skip


def _place(value: str, sums: Sums) -> Place:
    country, channel = pair(value)
    return Place(country, words.channel(channel), sums)


def _problem(fault: Fault, channels: Sequence[Channel]) -> Problem:
    meaning, failed = words.meaning(fault.error), _channel(fault)
    explained = explain(channels, failed, fault.error_code)
    return Problem(
        meaning.name, fault.template, words.channel(failed), fault.error_code,
        link=error_page(channels, failed, fault.error_code),
        sentence=explained.sentence if explained else "", remedy="" if explained else meaning.remedy,
        is_ours=meaning.is_ours, times=fault.times, first=fault.first, last=fault.last, example=fault.example,
    )


def _channel(fault: Fault) -> str:
    """Return the channel of the message that failed, from the newest example."""
    try:
        messages = messages_in(fault.messages)
    except DAMAGED:
        return ""
    failed = [message for message in messages if message.error_code == fault.error_code]
    return failed[-1].channel if failed else ""


def _total(days: Sequence[Day]) -> Sums:
    return Sums._make(map(sum, zip(*(day.sums for day in days), strict=True)))


def _volume(days: Sequence[Day], kind: Kind) -> Plot:
    lines = [Series("delivered", [day.sums.delivered for day in days])]
    if kind == Kind.VERIFICATION:
        lines.append(Series("approved", [day.sums.approved for day in days]))
    return plot([day.name[5:] for day in days], lines, bars=[day.sums.sent for day in days])


def _conversion(days: Sequence[Day]) -> Plot:
    shares = [None if day.sums.conversion is None else 100 * day.sums.conversion for day in days]
    return plot([day.name[5:] for day in days], [Series("approved", shares)], top=100.0, unit="%")


def _speed(days: Sequence[Day]) -> Plot:
    seconds = [day.sums.seconds_to_delivery for day in days]
    return plot([day.name[5:] for day in days], [Series("delivered", seconds)], unit=" s")


def _date(number: int) -> str:
    return datetime.fromtimestamp(number * DAY, UTC).date().isoformat()
