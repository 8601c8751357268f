"""What Prometheus reads: all counts and gauges as text, in its exposition format 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from otp_app.monitoring.metrics.counts import Series
from otp_app.monitoring.metrics.families import COUNTED, GAUGES, Family
from otp_app.monitoring.metrics.gauges import Found

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def page(totals: Mapping[Series, Sequence[float]], gauges: Found) -> str:
    """Return the text."""
    known = dict(totals)
    by_family: dict[str, list[Series]] = {}
    for series in sorted(known):
        by_family.setdefault(series[0], []).append(series)
    lines = []
    for family in COUNTED:
        lines += _head(family)
        for _, *values in by_family.get(family.name, ()):
            lines += _samples(family, values, known[family.name, *values])
    for family in GAUGES:
        if found := gauges.get(family.name):
            lines += [*_head(family), _line(family.name, zip(family.labels, found[0], strict=True), found[1])]
    return "".join(f"{line}\n" for line in lines)


def _head(family: Family) -> list[str]:
    return [f"# HELP {family.name} {family.meaning}", f"# TYPE {family.name} {family.type}"]


def _samples(family: Family, values: Sequence[str], numbers: Sequence[float]) -> Iterator[str]:
    labels = list(zip(family.labels, values, strict=True))
    if not family.buckets:
        yield _line(family.name, labels, numbers[0])
        return
    count = 0.0
    for end, number in zip([*map(str, family.buckets), "+Inf"], numbers, strict=False):
        count += number
        yield _line(f"{family.name}_bucket", [*labels, ("le", end)], count)
    yield _line(f"{family.name}_sum", labels, numbers[-1])
    yield _line(f"{family.name}_count", labels, count)


def _line(name: str, labels: Iterable[tuple[str, str]], value: float) -> str:
    shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
    return f"{name}{{{shown}}} {value:.17g}" if shown else f"{name} {value:.17g}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
