"""The tables of the stores: speed, growth, room, and what so many numbers a month take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from store_load import Figures

OPERATIONS = {"swap": "swap, as of a check or send", "get": "get", "add": "add to a counter"}
MONTHS = (1_000_000, 10_000_000, 100_000_000)  # numbers a month
DAYS = 30  # of a month
GUESSED = 0.10  # share of numbers that have a wrong guess
ASSUMED = """\
live records = numbers a month / {days} x ({not_guessed:.0%} + {guessed:.0%} x {long}): a record lives a day after its
last message, and {long} days after a wrong guess, which {guessed:.0%} of the numbers are taken to make. Room = live
records x the larger figure of bytes a record. Callers that send an Idempotency-Key add a record of a day for each
message. While Redis rewrites its log it may take up to twice its room."""
Row = tuple[str, ...]


@dataclass
class Measured:
    """One store's figures."""

    title: str
    setup: str
    speed: dict[str, Figures] = field(default_factory=dict)  # by operation and processes: "swap 4"
    growth: dict[int, Figures] = field(default_factory=dict)  # a get and a swap, by live numbers
    room: float = 0.0  # bytes of a record
    churned: float | None = None  # the same after each was changed once


def tables(stores: list[Measured], risk_days: int) -> str:
    """Return all tables as Markdown. `risk_days`: for how long a wrong guess is remembered."""
    return "\n\n".join([_speed(stores), _growth(stores), _room(stores), *_months(stores, risk_days)])


def _speed(stores: list[Measured]) -> str:
    counts = sorted({int(name.split()[1]) for store in stores for name in store.speed})
    head = [column for count in counts for column in (f"{_processes(count)}: /s", "p50, p99 ms", "CPU us")]
    lines = [
        (store.title, told, *(cell for count in counts for cell in _cells(store.speed.get(f"{name} {count}"))))
        for store in stores for name, told in OPERATIONS.items()
    ]
    return _markdown(("store", "operation", *head), lines)


def _growth(stores: list[Measured]) -> str:
    scales = list(stores[0].growth)
    columns = [f"{live:,} live" for live in scales]
    head = ("get, then swap: /s (p50, p99 ms)", *columns, "last to first: rate", "p50", "p99")
    lines = [(store.title, *map(_in_short, store.growth.values()), *_last_to_first(store)) for store in stores]
    return _markdown(head, lines)


def _in_short(figures: Figures) -> str:
    rate, latencies, _ = _cells(figures)
    return f"{rate} ({latencies})"


def _last_to_first(store: Measured) -> Row:
    scales = list(store.growth.values())
    first, last = scales[0], scales[-1]
    return tuple(f"{getattr(last, name) / getattr(first, name):.2f}" for name in ("rate", "p50", "p99"))


def _room(stores: list[Measured]) -> str:
    lines = [(store.title, _bytes(store.room), _bytes(store.churned), store.setup) for store in stores]
    return _markdown(("store", "bytes a record", "each changed once", "set up as"), lines)


def _months(stores: list[Measured], risk_days: int) -> Iterator[str]:
    """What a month's numbers take where they rest."""
    lasting = [store for store in stores if store.title != "memory"]
    if not lasting:
        return
    days = (1 - GUESSED) + GUESSED * (risk_days + 1)
    lives = {month: month / DAYS * days for month in MONTHS}
    lines = [
        (f"{month:,}", f"{live:,.0f}", *(_size(live * _most(store)) for store in lasting))
        for month, live in lives.items()
    ]
    yield _markdown(("numbers a month", "live records", *(store.title for store in lasting)), lines)
    yield ASSUMED.format(guessed=GUESSED, not_guessed=1 - GUESSED, days=DAYS, long=risk_days + 1)


def _most(store: Measured) -> float:
    return max(store.room, store.churned or 0.0)


def _cells(figures: Figures | None) -> Row:
    if figures is None:
        return ("", "", "")
    return (f"{figures.rate:,.0f}", f"{_short(figures.p50)}, {_short(figures.p99)}", _short(figures.cpu))


def _processes(count: int) -> str:
    return "1 process" if count == 1 else f"{count} processes"


def _short(figure: float) -> str:
    """Three digits that count."""
    digits = 0 if figure >= 100 else 1 if figure >= 10 else 2 if figure >= 0.1 else 4
    return f"{figure:,.{digits}f}"


def _bytes(figure: float | None) -> str:
    return "" if figure is None else f"{figure:,.0f}"


def _size(figure: float) -> str:
    return f"{figure / 2**20:,.0f} MiB" if figure < 2**30 else f"{_short(figure / 2**30)} GiB"


def _markdown(head: Row, lines: Sequence[Row]) -> str:
    rows = [head, ("---",) * len(head), *lines]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return "\n".join("| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows)
