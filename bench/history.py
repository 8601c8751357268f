"""Measure questions to a history of many rows: what an operator's page and Verify's Attempts wait for."""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from statistics import median

from otp_app.core.endings import Ending, Kind, Message
from otp_app.core.ledger import Origin, Status
from otp_app.core.policy import DAY
from otp_app.history.attempts import Attempts, Filter
from otp_app.history.database import Database, open_database
from otp_app.history.faults import faults_since
from otp_app.history.reading import Reader
from otp_app.history.rows import Numbers
from otp_app.history.writing import MOST_AT_ONCE, write

NOW = 1_790_040_000.0  # in the middle of a day
NUMBERS = Numbers(b"a benchmark")
#: countries by their share, with the networks of each
NETWORKS = {
    "US": (40, [f"+1{area}" for area in range(201, 551)]),
    "GB": (20, [f"+447{network:02d}" for network in range(40, 99)]),
    "DE": (20, [f"+491{network:02d}" for network in range(51, 80)]),
    "IN": (15, [f"+91{network}" for network in range(700, 999)]),
    "FR": (5, [f"+336{network:02d}" for network in range(100)]),
}
OUTCOMES = {Status.APPROVED: 70, Status.EXPIRED: 25, Status.CANCELED: 3, Status.MAX_ATTEMPTS_REACHED: 2}
PURPOSES = {"login": 7, "payment": 2, "signup": 1}
QUESTIONS = {
    "Summary": {},
    "Summary of a country": {"country": "US"},
    "Summary of a channel": {"channels": ("sms", "console")},
    "Summary of a prefix": {"prefix": "+1415"},
    "Summary of a wide prefix": {"prefix": "+1"},
    "Summary of a number": {"phone": "+14155550000"},
}


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="that are written first, of as many verifications")
    parser.add_argument("--days", type=int, default=30, help="over which they are spread, and that are asked for")
    parser.add_argument("--url", help="a history that is empty, or that this has filled; default: a temporary SQLite")
    parser.add_argument("--rounds", type=int, default=5, help="of each question; the median is shown")
    return parser.parse_args()


def endings(count: int, days: int) -> Iterator[Ending]:
    """Yield verifications, the oldest first: one in seven has two messages."""
    chance = random.Random(1)
    countries, shares = [*NETWORKS], [share for share, _ in NETWORKS.values()]
    for number in range(count):
        country = chance.choices(countries, shares)[0]
        phone = f"{chance.choice(NETWORKS[country][1])}{chance.randrange(10_000_000):07d}"
        begun = NOW - days * DAY * (1 - number / count)
        names = ["whatsapp", "sms"][chance.random() < 0.5 :] if chance.random() < 0.3 else ["sms"]
        outcome = chance.choices([*OUTCOMES], [*OUTCOMES.values()])[0]
        yield Ending(
            f"VE{chance.getrandbits(128):032x}", Kind.VERIFICATION, Origin("verify_v2", "shop", country),
            chance.choices([*PURPOSES], [*PURPOSES.values()])[0], phone, country, outcome, "", 0,
            begun, begun + 30.0, 4.0, 30.0 if outcome == Status.APPROVED else None, 0, 6, {},
            tuple(
                Message(
                    f"VL{chance.getrandbits(128):032x}", name, begun + place, "delivered", 0, 4.0, "en",
                    f"SM{chance.getrandbits(128):032x}",
                )
                for place, name in enumerate(names)
            ),
            names[-1], 5 * len(names),
        )  # fmt: skip


def fill(database: Database, count: int, days: int) -> float:
    """Write as many rows and return the seconds of the processor that this took."""
    source, used = endings(count, days), 0.0
    while batch := list(islice(source, MOST_AT_ONCE)):
        began = time.process_time()
        write(database, batch, NUMBERS)
        used += time.process_time() - began
    return used


def questions(database: Database, days: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what is measured, with its name."""
    attempts, reader, all_ = Attempts(database, NUMBERS), Reader(database, NUMBERS), list(PURPOSES)
    since = NOW - days * DAY + 3600.0  # in the middle of a day
    for name, given in QUESTIONS.items():
        yield name, lambda given=given: attempts.summary(Filter(all_, since, **given))  # type: ignore[misc]
    yield "Summary of all time", lambda: attempts.summary(Filter(all_))
    yield "Summary until an hour ago", lambda: attempts.summary(Filter(all_, since, NOW - 3600.0))
    newest = attempts.page(Filter(all_), 1)[0].message.id
    yield "an attempt", lambda: attempts.find(all_, newest)
    yield "an attempt that is missing", lambda: attempts.find(all_, "VL" + "0" * 32)
    yield "a page of 50", lambda: attempts.page(Filter(all_, since), 50)
    yield "an id of the provider", lambda: reader.id_by_provider(attempts.page(Filter(all_), 1)[0].message.provider_id)
    yield "an id of the provider that is missing", lambda: reader.id_by_provider("SM" + "0" * 32)
    yield "errors of a day", lambda: faults_since(database, Kind.VERIFICATION, NOW - DAY, 12)
    yield "stats by country", lambda: reader.sums(Kind.VERIFICATION, "country", since)


def seconds(ask: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return how long an answer took, and how much of the processor: medians."""
    taken = []
    for _ in range(rounds):
        began, used = time.perf_counter(), time.process_time()
        ask()
        taken.append((time.perf_counter() - began, time.process_time() - used))
    whole, own = zip(*taken, strict=True)
    return median(whole), median(own)


def main() -> None:
    """Fill a history and print a table."""
    given = options()
    with tempfile.TemporaryDirectory() as folder, closing(
        open_database(given.url or f"sqlite:///{folder}/history.db")
    ) as database:
        began = time.perf_counter()
        with database.writing() as session:
            is_filled = session.rows("SELECT 1 FROM otp_history LIMIT 1")
        print(f"opened in {time.perf_counter() - began:.1f} s")
        if not is_filled:
            taken = fill(database, given.rows, given.days)
            size = sum(file.stat().st_size for file in Path(folder).iterdir())
            print(f"each row: {taken / given.rows * 1e6:.0f} us (CPU), {size / given.rows:.0f} bytes")
        print("\n| question | ms | CPU ms |\n|---|---|---|")
        for name, ask in questions(database, given.days):
            whole, own = seconds(ask, given.rounds)
            print(f"| {name} | {whole * 1000:.1f} | {own * 1000:.1f} |", flush=True)


if __name__ == "__main__":
    main()
