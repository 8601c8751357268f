"""Measure this server beside bare Flask on one CPU and print one table; README.md in this folder explains it."""

from __future__ import annotations

import argparse
import gc
import json
import platform
import sys
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from report import table
from scenarios import SCENARIOS, Bench
from servers import CPUS, LOAD_CPU, SERVER_CPU, THREADS, pin


def filesystem(folder: Path) -> str:
    """The type of the file system that a folder lies on: an fsync on tmpfs costs nothing."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    return max((point, kind) for point, kind in mounts if folder.is_relative_to(point))[1]


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__)
    parser.add_argument("--only", type=scenarios, default=set(SCENARIOS), help="such as s1,s2 (s3: at 16, 64, 256)")
    parser.add_argument("--seconds", type=float, default=6.0, help="of measuring in each scenario")
    parser.add_argument("--rounds", type=int, default=1, help="bare Flask and ours in turn; medians are shown")
    parser.add_argument("--json", type=Path, help="write every figure of every round there")
    parser.add_argument("--synchronous", choices=["FULL", "NORMAL"], default="FULL", help="of SQLite")
    parser.add_argument("--against", type=server, action="append", default=[], metavar="NAME=COMMAND",
                        help="measure this server too, in turn with the others; {port} in COMMAND is its port")
    parser.add_argument("--store", help="OTP_STORE_URL to measure with: an empty store")
    parser.add_argument("--scale", action="store_true", help="S7 too: a thousand and a million live numbers, slow")
    chosen = parser.parse_args()
    if chosen.scale and chosen.store:
        parser.error("--scale measures SQLite: leave out --store")
    return chosen


def scenarios(text: str) -> set[str]:
    """Return the scenarios that a list such as "s1,s3" names."""
    chosen = {key for key in SCENARIOS for name in text.split(",") if key == name or key.startswith(f"{name}-")}
    if not chosen:
        raise argparse.ArgumentTypeError(f"choose from {', '.join(SCENARIOS)}")
    return chosen


def server(text: str) -> tuple[str, str]:
    """Return name and command of a server that is given as NAME=COMMAND."""
    name, equals, command = text.partition("=")
    if not (name and equals and command) or name in ("bare", "ours"):
        raise argparse.ArgumentTypeError("write NAME=COMMAND, with a name other than bare and ours")
    return name, command


def headline(bench: Bench) -> str:
    """What was measured, where, and how."""
    given = bench.options
    where = f"server on CPU {SERVER_CPU}, load on CPU {LOAD_CPU}" if len(CPUS) > 1 else "ONE CPU, NOTHING PINNED"
    channel = "TLS" if bench.standin.bundle else "PLAIN HTTP"
    store = given.store or f"SQLite, synchronous {given.synchronous}, on {filesystem(bench.folder)}"
    return (f"Python {platform.python_version()}; {where}; gunicorn gthread, 1 worker, {THREADS} threads; "
            f"stand-in over {channel}; store: {store}; {given.seconds:g} s each, rounds: {given.rounds}")


def notes(bench: Bench) -> list[str]:
    """What a reader of the table must know beside it."""
    others = f"Other programs took CPUs during {', '.join(bench.disturbed)}: measure again when the machine is quiet."
    return [*dict.fromkeys(bench.notes), *([others] if bench.disturbed else [])]


def complain(bench: Bench) -> int:
    """Show every kind of wrong answer; return the exit status."""
    faults = bench.faults + Counter(f"stand-in: {line}" for line in bench.standin.strange)
    for fault, times in faults.most_common(20):
        print(f"WRONG ANSWER, {times} times: {fault}", file=sys.stderr)
    return 1 if faults else 0


def main() -> int:
    """Print the table; 1 when any answer was wrong, because then no figure counts."""
    chosen = options()
    pin(LOAD_CPU)
    gc.disable()  # A pause of the load would look like one of the server; no cycles are made.
    with tempfile.TemporaryDirectory(prefix="otp-bench-") as name:
        bench = Bench(chosen, Path(name))
        rounds = [bench.round() for _ in range(chosen.rounds)]
        tables = [table(rounds, other) for other in ("bare", *bench.commands)]
        print(headline(bench), *tables, *notes(bench), sep="\n\n")
    if chosen.json:
        chosen.json.write_text(json.dumps(rounds, default=asdict, indent=1))
    return complain(bench)


if __name__ == "__main__":
    sys.exit(main())
