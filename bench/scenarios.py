"""The scenarios: what each server is put through, and in which order."""

from __future__ import annotations

import argparse
import itertools
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median

import turns
from load import WARM, Figures, Load, Turn
from loop import Loop
from report import Measured
from servers import Server, machine_seconds
from standin import StandIn

SCENARIOS = ["s1", "s2", "s3-16", "s3-64", "s3-256", "s4", "s5", "s6"]
STARTS = 3  # cold starts a round
SLOW = 0.2  # seconds: the stand-in's latency in S3
LIVE = 10_000  # codes that S1 guesses at, at least
FASTEST, GUESSES = 4000, 4  # more checks a second than one CPU gives; guesses to spend on a number, which takes five
BUSY, FULL = 0.3, 0.8  # CPUs taken by others, by the load: above these a figure comes with a warning
SCALES = (1_000, 1_000_000)  # live numbers in S7
GUESSED = min(SCALES)  # of them: as many in both, since a check costs less after the first one of its number
GUESSES_AT_SCALE = 9  # a number, of the ten that a setting allows at most
SCALED = {"OTP_TTL": "600", "OTP_MAX_ATTEMPTS": str(GUESSES_AT_SCALE + 1)}  # settings of S7


class Bench:
    """The load, the stand-in and what all servers share."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder, self.loop = options, folder, Loop()
        self.standin = StandIn(self.loop, folder)
        self.numbers = map(turns.number, range(2 * max(SCALES), 10**7))  # for sends: each once
        self.faults: Counter[str] = Counter()
        self.notes: list[str] = []  # what a reader of the figures must know
        self.disturbed: list[str] = []
        self.commands = dict(options.against)
        self._stores: dict[int, tuple[Path, dict[str, str]]] = {}  # of S7, see _filled
        self._loads: dict[str, Callable[..., Iterable[Figures]]] = {
            "s1": self._wrong_codes,
            "s2": self._sends,
            "s4": self._flows,
            **{f"s3-{n}": partial(self._slow_sends, n) for n in (16, 64, 256)},
        }

    def round(self) -> dict[str, Measured]:
        """Measure all servers, scenario by scenario, so that a busy spell of the machine hits all of them."""
        measured: dict[str, Measured] = {name: {} for name in ("bare", *self.commands, "ours")}
        with ExitStack() as stack:
            servers = {name: stack.enter_context(self._server(name)) for name in measured}
            for name, server in servers.items():
                measured[name] |= self._alone(server)
            for server in servers.values():
                server.start()
            for key in (key for key in self._loads if key in self.options.only):
                for name, figures in zip(measured, self._loads[key](*servers.values()), strict=True):
                    measured[name][key] = figures
            if "s5" in self.options.only:
                for name, server in servers.items():
                    measured[name]["s5-loaded"] = server.memory()
                    server.stop()  # it would take its share of the pages that the next one uses too
        for live in SCALES if self.options.scale else ():
            measured["ours"] |= self._at_scale(live)
        return measured

    @contextmanager
    def _server(self, name: str) -> Iterator[Server]:
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        store = self.options.store or f"sqlite:///{folder}/otp.db?synchronous={self.options.synchronous}"
        server = Server(name, folder, self.standin, store, self.commands.get(name, ""))
        try:
            yield server
        finally:
            server.stop()
            shutil.rmtree(folder)

    def load(self, server: Server, what: str, asked: Iterator[Turn], connections: int) -> Figures:
        """Put load on a server and keep count of every wrong answer."""
        figures = Load(self.loop, server.port, asked, connections, self.options.seconds,
                       lambda: (server.cpu_seconds(), machine_seconds(), float(server.switches()))).run()
        what = f"{what} {server.name}"
        self._book(what, figures.problems)
        if figures.other_cpu > BUSY:
            self.disturbed.append(f"{what} ({figures.other_cpu:.1f})")
        if figures.load_cpu > FULL:
            self.notes.append(f"{what}: the load took {figures.load_cpu:.0%} of its CPU and may be the limit.")
        print(f"  {what}: {figures.rate:,.0f}/s", file=sys.stderr)
        return figures

    def _alone(self, server: Server) -> Measured:
        """Start-up and idle memory."""
        measured: Measured = {}
        starts = []
        for _ in range(STARTS if self.options.only & {"s5", "s6"} else 0):
            starts.append(server.start())
            measured["s5-idle"] = server.memory()
            server.stop()
        if starts:
            measured["s6"] = median(starts)
        return {key: figure for key, figure in measured.items() if key[:2] in self.options.only}

    def _wrong_codes(self, *servers: Server) -> Iterator[Figures]:
        live = max(LIVE, int((WARM + self.options.seconds) * FASTEST / GUESSES))
        for server in servers:
            looks = server.name != "bare"
            codes = self._live_codes(server, live) if looks else {turns.number(n): "000000" for n in range(live)}
            figures = self.load(server, "S1", turns.guesses(codes, refused=looks), 16)
            if looks:
                spent = f"{figures.turns / live:.1f} guesses at each of {live:,} live codes"
                self.notes.append(f"S1 {server.name}: {spent}; from the sixth on a guess is not looked at.")
            yield figures

    def _live_codes(self, server: Server, count: int) -> dict[str, str]:
        """Send to `count` new numbers and return their codes."""
        self.standin.codes.clear()
        asked = turns.sends(itertools.islice(self.numbers, count))
        load = Load(self.loop, server.port, asked, 16, 3600, lambda: (0.0, 0.0, 0.0))
        self._book(f"codes for S1 {server.name}", load.drive())
        return dict(self.standin.codes)

    def _sends(self, *servers: Server) -> Iterator[Figures]:
        return (self.load(server, "S2", turns.sends(self.numbers), 16) for server in servers)

    def _flows(self, *servers: Server) -> Iterator[Figures]:
        return (self.load(server, "S4", turns.flows(self.numbers, self.standin.codes), 16) for server in servers)

    def _slow_sends(self, connections: int, *servers: Server) -> Iterator[Figures]:
        self.standin.latency = SLOW
        for server in servers:
            yield self.load(server, f"S3-{connections}", turns.sends(self.numbers), connections)
        self.standin.latency = 0.0

    def _at_scale(self, live: int) -> Measured:
        """S1 and S2 with that many live numbers. Codes live longer and take more guesses than they do by default."""
        filled, codes = self._filled()[live]
        with self._server("ours") as server:
            shutil.copytree(filled, server.folder, dirs_exist_ok=True)
            server.environment |= SCALED
            server.start()
            asked = itertools.islice(turns.guesses(codes, refused=True), len(codes) * GUESSES_AT_SCALE)
            checked = self.load(server, f"S7 wrong code at {live:,}", asked, 16)
            sent = self.load(server, f"S7 send at {live:,}", turns.sends(self.numbers), 16)
        return {f"s7-{live}-s1": checked, f"s7-{live}-s2": sent}

    def _filled(self) -> dict[int, tuple[Path, dict[str, str]]]:
        """Return, by its size, the folder of each filled store and the codes of the numbers served last.

        The first round fills them, the large one first: that takes longer than a code lives.
        """
        for live in sorted(SCALES, reverse=True) if not self._stores else ():
            print(f"  S7: sending to {live:,} numbers", file=sys.stderr)
            folder = self.folder / f"filled-{live}"
            folder.mkdir()
            server = Server("ours", folder, self.standin, f"sqlite:///{folder}/otp.db")
            server.environment |= SCALED
            self._stores[live] = folder, preload(server, live)
        return self._stores

    def _book(self, what: str, problems: Counter[str]) -> None:
        self.faults.update({f"{what}: {problem}": times for problem, times in problems.items()})


def preload(server: Server, live: int) -> dict[str, str]:
    """Fill the store of a server that is not running, and return the codes of the numbers served last."""
    file = server.folder / "codes"
    program = [sys.executable, str(Path(__file__).with_name("preload.py")), str(live), str(GUESSED), str(file)]
    subprocess.run(program, env=server.environment, cwd=server.folder, check=True)
    return dict(line.split() for line in file.read_text().splitlines())
