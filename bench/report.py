"""The table: both servers side by side, their ratio, and the targets."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from load import Figures

Measured = dict[str, Figures | float]  # by scenario; a float where there is one figure only


@dataclass(frozen=True)
class Row:
    """One line of the table. The targets hold for the ratio, or else for our own figure."""

    title: str
    unit: str
    bar: float | None = None
    aim: float | None = None
    of_ratio: bool = True
    base: str = ""  # the scenario of ours that the ratio is taken to, where it is not bare Flask's

    def verdict(self, ratio: float | None, ours: float) -> str:
        """Say which target is met. Where the aim is below the bar, less is better."""
        figure = ratio if self.of_ratio else ours
        if self.bar is None or self.aim is None or figure is None:
            return ""
        sign = 1 if self.aim > self.bar else -1
        return "aim" if sign * figure >= sign * self.aim else "bar" if sign * figure >= sign * self.bar else "MISSED"


ROWS = {
    "s1": Row("S1 wrong code, 16 connections", "/s", 0.85, 1.10),
    "s2": Row("S2 send, provider at 0 ms, 16", "/s", 1.00, 1.25),
    "s3-16": Row("S3 send, provider at 200 ms, 16", "/s"),
    "s3-64": Row("S3 send, provider at 200 ms, 64", "/s"),
    "s3-256": Row("S3 send, provider at 200 ms, 256", "/s", 1.00, 1.14),
    "s4": Row("S4 send, then right code, 16", "/s", 0.80, 1.00),
    "s5-idle": Row("S5 memory idle", "MiB", 57, 50, of_ratio=False),
    "s5-loaded": Row("S5 memory after the load", "MiB", 95, 80, of_ratio=False),
    "s6": Row("S6 start to first answer", "s", 0.8, 0.4, of_ratio=False),
    "s7-1000-s1": Row("S7 wrong code, 10^3 live numbers", "/s"),
    "s7-1000000-s1": Row("S7 wrong code, 10^6 live numbers", "/s", 0.95, 0.97, base="s7-1000-s1"),
    "s7-1000-s2": Row("S7 send, 10^3 live numbers", "/s"),
    "s7-1000000-s2": Row("S7 send, 10^6 live numbers", "/s", 0.95, 0.97, base="s7-1000-s2"),
}
LOADS = ("p50", "p99", "server_cpu", "switches")  # figures of a load, as SIDE heads them
SIDE = ("p50, p99 ms", "CPU us", "switches")
TARGETS = ("bar", "aim", "met")
BARE = "bare"


def table(rounds: list[dict[str, Measured]], other: str = BARE) -> str:
    """Return the table of ours beside the other as Markdown: medians over the rounds; each ratio is of one round.

    Targets are to bare Flask, and are shown beside it only.
    """
    measured = [key for key in ROWS if key in rounds[0]["ours"] and (other == BARE or key in rounds[0][other])]
    head = ["scenario", other, *SIDE, "ours", *SIDE, "ratio", "CPU ratio", *(TARGETS if other == BARE else ())]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *(_line(key, rounds, other) for key in measured)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)


def _line(key: str, rounds: list[dict[str, Measured]], other: str) -> list[str]:
    row = ROWS[key]
    pairs = [(r["ours"][row.base] if row.base else r[other].get(key), r["ours"][key]) for r in rounds]
    ratio = _median([_value(ours) / _value(base) for base, ours in pairs if base])
    by_cpu = _median([base.server_cpu / ours.server_cpu for base, ours in pairs if isinstance(base, Figures)])
    verdict = row.verdict(ratio, median(_value(ours) for _, ours in pairs))
    target = [_short(row.bar), _short(row.aim), verdict] if other == BARE else []
    sides = [*_columns(row, key, other, rounds), *_columns(row, key, "ours", rounds)]
    return [row.title, *sides, _short(ratio), _short(by_cpu), *target]


def _median(figures: list[float]) -> float | None:
    return median(figures) if figures else None


def _columns(row: Row, key: str, server: str, rounds: list[dict[str, Measured]]) -> list[str]:
    figures = [r[server][key] for r in rounds if key in r[server]]
    if not figures:
        return ["", "", "", ""]
    rate = f"{_short(median(map(_value, figures)))} {row.unit}"
    loads = [f for f in figures if isinstance(f, Figures)]
    if not loads:
        return [rate, "", "", ""]
    p50, p99, cpu, switches = (median(getattr(f, name) for f in loads) for name in LOADS)
    return [rate, f"{p50:.1f}, {p99:.1f}", f"{cpu:.0f}", f"{switches:.1f}"]


def _value(figure: Figures | float) -> float:
    return figure.rate if isinstance(figure, Figures) else figure


def _short(figure: float | None) -> str:
    if figure is None:
        return ""
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.1f}" if figure >= 10 else f"{figure:.2f}"
