"""The plots of the first screen, as the template draws them in SVG: no script, and no style but classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 640, 190
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 12, 26
TICKS = 4  # steps of the vertical axis at most
LABEL_EVERY = 7  # days


class Tick(NamedTuple):
    """A place on an axis."""

    at: float
    label: str


class Bar(NamedTuple):
    """One value as a rectangle."""

    x: float
    y: float
    width: float
    height: float


class Line(NamedTuple):
    """Values as a line, in pieces where some are missing; a value between two missing ones is a dot."""

    name: str
    pieces: list[str]  # for the attribute `points`
    dots: list[tuple[float, float]]


class Series(NamedTuple):
    """What is drawn: one value for each day."""

    name: str  # also the class in the style sheet
    values: Sequence[float | None]


class Plot(NamedTuple):
    """A plot, in units of its own box."""

    width: int
    height: int
    left: int
    right: int
    bars: list[Bar]
    lines: list[Line]
    columns: list[Bar]  # each day, to point at
    x: list[Tick]
    y: list[Tick]


def plot(
    days: Sequence[str], lines: Sequence[Series], *, bars: Sequence[float] = (), top: float = 0.0, unit: str = ""
) -> Plot:
    """Return the plot of some lines over some days, in front of bars. `top`: the end of the axis, 0 for what fits."""
    most = max([value for series in lines for value in series.values if value is not None] + [*bars, 0.0])
    step = (top or _nice(most)) / TICKS
    step = max(step, 1.0) if not (top or unit) else step
    end = step * TICKS
    across, down = (WIDTH - LEFT - RIGHT) / max(len(days), 1), HEIGHT - TOP - BOTTOM

    def y(value: float) -> float:
        return round(TOP + down * (1 - value / end), 1)

    def middle(number: int) -> float:
        return round(LEFT + across * (number + 0.5), 1)

    floor = y(0.0)
    thick = round(across * 0.7, 1)
    return Plot(
        WIDTH, HEIGHT, LEFT, WIDTH - RIGHT,
        [Bar(round(middle(n) - thick / 2, 1), y(v), thick, round(floor - y(v), 1)) for n, v in enumerate(bars) if v],
        [_line(series, [(middle(n), v if v is None else y(v)) for n, v in enumerate(series.values)])
         for series in lines],
        [Bar(round(LEFT + across * n, 1), TOP, round(across, 1), down) for n in range(len(days))],
        [Tick(middle(n), day) for n, day in enumerate(days) if (len(days) - 1 - n) % LABEL_EVERY == 0],
        [Tick(y(step * n), f"{_short(step * n)}{unit}") for n in range(TICKS + 1)],
    )  # fmt: skip


def _line(series: Series, points: Sequence[tuple[float, float | None]]) -> Line:
    pieces: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is None:
            pieces.append([])
        else:
            pieces[-1].append((x, y))
    drawn = [" ".join(f"{x},{y}" for x, y in piece) for piece in pieces if len(piece) > 1]
    return Line(series.name, drawn, [piece[0] for piece in pieces if len(piece) == 1])


def _nice(most: float) -> float:
    """Return the end of an axis: 4, 8, 20, 40, 80, 200 and so on."""
    if most <= 0:
        return float(TICKS)
    scale = 10.0 ** math.floor(math.log10(most))
    return next((step * scale for step in (1, 2, 4, 8) if step * scale >= most), 20 * scale)


def _short(value: float) -> str:
    if value >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:g}"
