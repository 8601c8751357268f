"""Prometheus' text format, read as strictly as it is described: what comes back are the samples by name and labels."""

from __future__ import annotations

import http.client
import re
from contextlib import closing

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf'({NAME})(?:\{{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)+)\}})? ([0-9.e+-]+|\+Inf|NaN)')
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: str) -> Samples:
    """The samples. Each family has its help and type once, before its own samples, and nothing comes twice."""
    found: Samples = {}
    family, allowed, seen = "", (), set()
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            family = line.split(" ", 3)[2]
            assert family not in seen, line
            seen.add(family)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == family, line
            allowed = tuple(family + suffix for suffix in SUFFIXES[kind])
            assert (kind == "counter") == family.endswith("_total"), line
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            assert sample[1] in allowed, line
            key = sample[1], frozenset(LABEL.findall(sample[2] or ""))
            assert key not in found, line
            found[key] = float(sample[3])
    return found


def value(samples: Samples, name: str, **labels: str) -> float:
    """The sum of the samples with this name and at least these labels."""
    wanted = labels.items()
    return sum(number for (found, given), number in samples.items() if found == name and wanted <= dict(given).items())


def scraped(port: int) -> Samples:
    """The samples that a process of this machine serves at a port."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        return read(answer.read().decode())
