"""Measure the stores by themselves: their speed, how it changes as the live numbers grow, and the room they take.

bench/README.md explains the tables.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from preload import NullChannel
from run import filesystem
from store_load import MARK, Crowd, Figures, WrongAnswerError, key
from store_places import Place, place
from store_tables import OPERATIONS, Measured, tables
from turns import number, wrong

from otp_app.core.codes import CodeKeys, LedgerIds
from otp_app.core.errors import StoreUnavailable
from otp_app.core.limits import Bulkhead
from otp_app.core.moving import Movable
from otp_app.core.policy import Policy
from otp_app.core.results import SendRequest
from otp_app.core.service import VerificationService
from otp_app.core.texts import Texts
from otp_app.stores import open_store
from otp_app.stores.memory import MemoryStore
from otp_app.system.clock import system_clock
from tests.services import Postgres, Redis, postgres_programs

FEWEST = 1_000  # live numbers; then ten times as many, and so on


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="script/bench --stores", description=__doc__)
    parser.add_argument("urls", nargs="*", metavar="URL", type=place, help="empty stores; default: own servers")
    parser.add_argument("--seconds", type=float, default=3.0, help="of measuring each figure")
    parser.add_argument("--numbers", type=int, default=1_000_000, help="live numbers at the end, at least 1,000")
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--json", type=Path, help="write all figures there")
    given = parser.parse_args()
    if given.numbers < FEWEST:
        parser.error(f"--numbers: at least {FEWEST:,}")
    return given


def sample() -> bytes:
    """A record as the server writes it: of a number that got a message, guessed wrong, and then right."""
    store, channel, phone = MemoryStore(), NullChannel(), number(0)
    ids, keys = LedgerIds(bytes(32), secrets.token_bytes), CodeKeys("k1", {"k1": bytes(32)})
    service = VerificationService(store, [channel], policy=Policy(), keys=keys, ids=ids,
                                  texts=Texts("{code}", {}, "", ""), clock=system_clock(), places=Bulkhead(1))
    service.send(phone, SendRequest())
    code = channel.codes[phone]
    service.check(wrong(code), phone_number=phone)
    service.check(code, phone_number=phone)
    record = store.get(ids.ledger(phone))
    assert record is not None
    assert record.count(MARK) == 1
    return record


@contextmanager
def own_places() -> Iterator[list[Place]]:
    """Places for all kinds of stores, on servers that end with the block; of those whose programs are here."""
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="otp-bench-"))) for _ in range(3)]
        found = [place("memory://"), place(f"sqlite:///{folders[0]}/otp.db")]
        for server in servers(*folders[1:]):
            stack.callback(server.stop)
            server.start()
            found.append(place(server.new_url()))
        yield found


def servers(*folders: Path) -> Iterator[Redis | Postgres]:
    """A Redis as docs/stores.md recommends it, and a PostgreSQL as it is."""
    if program := shutil.which("redis-server"):
        yield Redis(folders[0], program, appendonly="yes", appendfsync="everysec")
    else:
        print("  redis is not measured: there is no redis-server on the PATH", file=sys.stderr)
    if programs := postgres_programs():
        yield Postgres(folders[1], programs)
    else:
        print("  postgres is not measured: its programs are not here", file=sys.stderr)


@contextmanager
def given_places(places: list[Place]) -> Iterator[list[Place]]:
    """The same for stores that were named; they must be empty, and are so again afterwards."""
    with ExitStack() as stack:
        for given in places:
            store = stack.enter_context(closing(open_store(given.url)))
            if isinstance(store, Movable):
                if store.size():
                    raise SystemExit(f"The {given.title} store is not empty: name one that is")
                stack.callback(store.clear)
        yield places


def measure(where: Place, record: bytes, given: argparse.Namespace) -> Measured:
    """Fill a store by and by, and measure it."""
    measured = Measured(where.title, where.setup())
    versions = get_context("spawn").RawArray("B", given.numbers)
    for count in where.processes:
        with Crowd(where.url, record, versions, count, given.threads) as crowd:
            if count == 1:
                grow(where, crowd, measured, given)
            for operation in OPERATIONS:
                figures = crowd.measure(operation, given.numbers, given.seconds)
                measured.speed[f"{operation} {count}"] = said(where, f"{operation} from {count}", figures)
    churned = where.churn()
    measured.churned = churned / given.numbers if churned else None
    return measured


def grow(where: Place, crowd: Crowd, measured: Measured, given: argparse.Namespace) -> None:
    """Measure a get and a swap with ever more live numbers, and the room that they take in the end."""
    live, begin = 0, size(where, crowd)
    for scale in scales(given.numbers):
        started = time.perf_counter()
        crowd.ask("fill", live, scale)
        where.settle()
        print(f"  {where.title}: filled to {scale:,} in {time.perf_counter() - started:.1f} s", file=sys.stderr)
        live, measured.room = scale, (size(where, crowd) - begin) / scale
        figures = crowd.measure("turn", live, given.seconds)
        measured.growth[live] = said(where, f"get and swap at {live:,}", figures)


def scales(most: int) -> list[int]:
    """A thousand, ten thousand, …, and `most`."""
    steps = [FEWEST]
    while steps[-1] * 10 < most:
        steps.append(steps[-1] * 10)
    return [*steps, most] if most > FEWEST else steps


def size(where: Place, crowd: Crowd) -> int:
    """Bytes that everything takes."""
    taken = where.size()
    return crowd.ask("resident")[0] if taken is None else taken


def said(where: Place, what: str, figures: Figures) -> Figures:
    """Show a figure at once, and whether the store was always available."""
    refused = f", NOT AVAILABLE {figures.refused} TIMES" if figures.refused else ""
    print(f"  {where.title}: {what}: {figures.rate:,.0f}/s{refused}", file=sys.stderr)
    return figures


def headline(record: bytes, given: argparse.Namespace) -> str:
    """What was measured, where, and how."""
    folder = Path(tempfile.gettempdir())
    return (f"Python {platform.python_version()}; {os.cpu_count()} CPUs for the stores' servers and the load alike; "
            f"threads in each process: {given.threads}; records of {len(record)} bytes under keys of {len(key(0))}, "
            f"at random among {given.numbers:,}; files on {filesystem(folder)}, "
            f"where an fsync takes {fsync_time(folder):.0f} us; "
            f"{given.seconds:g} s each; load average at the start: {os.getloadavg()[0]:.1f}")


def fsync_time(folder: Path) -> float:
    """Median microseconds that the folder's disk takes to keep a page."""
    took = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(100):
            file.write(bytes(4096))
            begin = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - begin)
    return 1e6 * median(took)


def notes(stores: list[Measured]) -> list[str]:
    """What a reader of the tables must know beside them."""
    return [
        f"{store.title}, {what}: the store was not available {figures.refused} times (503)."
        for store in stores for what, figures in [*store.speed.items(), *store.growth.items()] if figures.refused
    ]


def main() -> int:
    """Print the tables; 1 when a store did something wrong, because then no figure counts."""
    given, record = options(), sample()
    head = headline(record, given)
    try:
        with given_places(given.urls) if given.urls else own_places() as places:
            stores = [measure(where, record, given) for where in places]
    except (WrongAnswerError, StoreUnavailable) as error:
        print(f"NO FIGURE COUNTS: {error}", file=sys.stderr)
        return 1
    print(head, tables(stores, Policy().risk_days), *notes(stores), sep="\n\n")
    if given.json:
        given.json.write_text(json.dumps({"head": head, "stores": [asdict(store) for store in stores]}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
