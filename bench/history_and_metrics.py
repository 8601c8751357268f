"""What the history and the metrics cost: CPU of a send, a check and both, and idle memory. README.md explains it."""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path
from statistics import median

import turns
from load import Load, Turn
from loop import Loop
from servers import LOAD_CPU, Server, machine_seconds, pin
from standin import StandIn

VARIANTS = {
    "neither": {"OTP_HISTORY_URL": "off"},
    "history": {},
    "metrics": {"OTP_HISTORY_URL": "off", "OTP_APIS": "native,metrics"},
    "both": {"OTP_APIS": "native,metrics"},
}
CONNECTIONS = 16
GUESSES = 4  # at each code: the fifth would end it
SCRAPE_EVERY = 15.0  # seconds, as Prometheus does by default
SCRAPES = 20
SETTLE = 3.0  # seconds after the last request, in which the history writes its rows


class Measured:
    """One server with what it does besides, and the CPU that each kind of request took."""

    def __init__(self, name: str, folder: Path, standin: StandIn) -> None:
        self.name = name
        folder.mkdir()
        self.server = Server("ours", folder, standin, f"sqlite:///{folder}/otp.db")
        self.server.environment |= VARIANTS[name]
        self.is_scraped = "OTP_APIS" in VARIANTS[name]
        self.codes: dict[str, str] = {}
        self.cpu: dict[str, float] = {}  # us for a turn, by its kind
        self.memory = 0.0
        self._scraped = 0.0

    def scrape(self) -> int:
        """Read the metrics, and return the length of the page."""
        connection = HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        page = answer.read()
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"/metrics answered {answer.status}")
        return len(page)

    def scrape_if_due(self) -> None:
        """Read the metrics as Prometheus would."""
        if self.is_scraped and time.monotonic() - self._scraped > SCRAPE_EVERY:
            self.scrape()
            self._scraped = time.monotonic()


class Bench:
    """Puts all servers through the same, a little at a time, so that a busy spell of the machine hits each."""

    def __init__(self, folder: Path, rounds: int, count: int) -> None:
        self._loop, self._rounds, self._count = Loop(), rounds, count
        self.standin = StandIn(self._loop, folder)
        self.measured = [Measured(name, folder / name, self.standin) for name in VARIANTS]
        self.faults: Counter[str] = Counter()
        self._numbers = map(turns.number, range(10**7))
        self._disturbed: list[float] = []

    def memory(self) -> None:
        """Measure each server alone and idle: together they would share pages."""
        for each in self.measured:
            each.server.start()
            time.sleep(1.0)
            if each.is_scraped:
                each.scrape()
            each.memory = each.server.memory()
            each.server.stop()

    def warm_up(self) -> None:
        """One turn that does not count."""
        for each in self.measured:
            self._drive(each, turns.flows(islice(self._numbers, self._count), self.standin.codes))

    def sends(self) -> None:
        """Messages to new numbers."""
        self._phase("send", lambda _, count: turns.sends(islice(self._numbers, count)))

    def checks(self) -> None:
        """Wrong codes, for live verifications that are begun before."""
        for each in self.measured:
            self.standin.codes.clear()
            self._drive(each, turns.sends(islice(self._numbers, self._rounds * self._count // GUESSES + 1)))
            each.codes = dict(self.standin.codes)
        guesses = {each.name: turns.guesses(each.codes, refused=True) for each in self.measured}
        self._phase("wrong code", lambda each, count: islice(guesses[each.name], count))

    def flows(self) -> None:
        """A message, then its code: each becomes a row of the history."""
        self._phase(
            "send and right code",
            lambda _, count: turns.flows(islice(self._numbers, count), self.standin.codes),
        )

    def scrapes(self) -> float:
        """Return the CPU of reading the metrics once, in ms."""
        each = next(each for each in self.measured if each.name == "both")
        begin = each.server.cpu_seconds()
        for _ in range(SCRAPES):
            each.scrape()
        return 1e3 * (each.server.cpu_seconds() - begin) / SCRAPES

    @property
    def others(self) -> float:
        """CPUs that other programs took in the worst phase."""
        return max(self._disturbed, default=0.0)

    def _phase(self, kind: str, asked: Callable[[Measured, int], Iterator[Turn]]) -> None:
        """The CPU of each server for a turn, from the first one until it has done all that follows from the last."""
        begin, began = time.perf_counter(), (machine_seconds(), time.process_time())
        before = {each.name: each.server.cpu_seconds() for each in self.measured}
        for number in range(self._rounds):
            for each in self.measured[number % len(self.measured) :] + self.measured[: number % len(self.measured)]:
                self._drive(each, asked(each, self._count))
                each.scrape_if_due()
        time.sleep(SETTLE)
        used = {each.name: each.server.cpu_seconds() - before[each.name] for each in self.measured}
        machine, own = machine_seconds() - began[0], time.process_time() - began[1]
        self._disturbed.append(max(0.0, machine - own - sum(used.values())) / (time.perf_counter() - begin))
        for each in self.measured:
            each.cpu[kind] = 1e6 * used[each.name] / (self._rounds * self._count)
        shown = (f"{each.name} {each.cpu[kind]:.0f} us" for each in self.measured)
        print(f"  {kind}: {', '.join(shown)}", file=sys.stderr)

    def _drive(self, each: Measured, asked: Iterator[Turn]) -> None:
        load = Load(self._loop, each.server.port, asked, CONNECTIONS, 3600.0, lambda: (0.0, 0.0, 0.0))
        self.faults += Counter({f"{each.name}: {problem}": times for problem, times in load.drive().items()})


def table(starts: list[list[Measured]]) -> str:
    """Return medians of all starts as Markdown; in brackets what a variant takes more than neither of the same start.

    A process keeps for life what its addresses and hashes happen to be, which alone makes one 5 % slower than another.
    """
    kinds = list(starts[0][0].cpu)
    lines = ["| | " + " | ".join([*(f"{kind}, CPU us" for kind in kinds), "idle, MiB"]) + " |",
             "|---" + "|---:" * (len(kinds) + 1) + "|"]  # fmt: skip
    for place, name in enumerate(VARIANTS):
        pairs = [(servers[0], servers[place]) for servers in starts]
        cells = []
        for kind in kinds:
            more = sorted(each.cpu[kind] / base.cpu[kind] - 1 for base, each in pairs)
            cpu = median(each.cpu[kind] for _, each in pairs)
            cells.append(f"{cpu:.0f} ({median(more):+.1%}; {more[0]:+.1%} to {more[-1]:+.1%})")
        memory = median(each.memory for _, each in pairs)
        cells.append(f"{memory:.1f} ({median(each.memory - base.memory for base, each in pairs):+.1f})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def measure(folder: Path, rounds: int, count: int) -> Bench:
    """Return what all servers took, each started anew."""
    with ExitStack() as running:
        bench = Bench(folder, rounds, count)
        for each in bench.measured:
            running.callback(each.server.stop)
        bench.memory()
        for each in bench.measured:
            each.server.start()
        bench.warm_up()
        for phase in (bench.sends, bench.checks, bench.flows):
            phase()
        print(f"  reading /metrics once: {bench.scrapes():.1f} ms; others: {bench.others:.1f} CPUs", file=sys.stderr)
    return bench


def main() -> int:
    """Print the table; 1 where an answer was wrong, because then no figure counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=5, help="of each server")
    parser.add_argument("--rounds", type=int, default=10, help="turns of each server in each kind of request")
    parser.add_argument("--count", type=int, default=250, help="requests in a turn")
    given = parser.parse_args()
    pin(LOAD_CPU)
    gc.disable()
    benches = []
    for _ in range(given.starts):
        with tempfile.TemporaryDirectory(prefix="otp-bench-") as name:
            benches.append(measure(Path(name), given.rounds, given.count))
    print(table([bench.measured for bench in benches]))
    print(f"\nOther programs took up to {max(bench.others for bench in benches):.1f} CPUs.")
    faults = sum((bench.faults for bench in benches), Counter[str]())
    for fault, times in faults.most_common(20):
        print(f"WRONG ANSWER, {times} times: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
