"""PostgreSQL away, held, locked, slow, full or crashed: 503 and no acceptance, nothing repeated, nothing forgotten."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from tests.conftest import postgres_folder, require_postgres
from tests.faults.conftest import small_file_system
from tests.faults.load import Clients, at_once, other_code
from tests.faults.proxy import Proxy
from tests.history import Event
from tests.running import wait_until
from tests.services import Postgres, give_to_postgres

Start = Callable[..., Clients]
UPDATED = b"\0otp_update\0"  # the prepared statement gets its values (Bind, of the portal without a name)


@contextmanager
def locking(postgres: Postgres, url: str, statement: bytes) -> Iterator[None]:
    """Hold the locks that a statement takes, as somebody in a shell might."""
    with postgres.client(url.rpartition("/")[2]) as db, db.transaction():
        db.execute(statement)
        yield
        db.execute("SELECT pg_stat_clear_snapshot()")
        waiting = db.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchone()
        assert waiting == (0,), "a statement that was answered with 503 still waits to be done"


def statuses(events: list[Event]) -> set[int | None]:
    return {event.status for event in events}


def send_many(clients: Clients, count: int) -> list[Event]:
    """So many sends to new numbers at the same moment."""
    return at_once(count, lambda _: clients.send(clients.next_number()))


def sent_code(clients: Clients) -> tuple[str, str]:
    """A number that was sent a code, and the code."""
    number = clients.next_number()
    assert clients.send(number).accepted
    return number, clients.provider.code(number)


def assert_recovers(clients: Clients) -> None:
    """Sends work again by themselves."""
    wait_until(lambda: clients.send(clients.next_number()).accepted, "an accepted send")


# ---- away


def test_a_restart_under_load_is_503_and_recovers(clients: Start, postgres: Postgres) -> None:
    """While it is away nothing is accepted and no attempt is free; then the same server goes on with the same codes."""
    with clients(store=postgres.new_url()) as busy:
        number, code = sent_code(busy)
        busy.wait_for(40)
        postgres.stop()
        gone = time.monotonic()
        away = at_once(40, lambda n: busy.send(busy.next_number()) if n % 2 else busy.attempt(number, code))
        back = time.monotonic()
        postgres.start()
        assert_recovers(busy)
        busy.wait_for(40)
    assert_recovers(busy)
    assert statuses(away) == {503}
    assert not [event for event in busy.history.events if event.accepted and gone < event.t0 and event.t1 < back]
    assert [busy.attempt(number, code).status for _ in range(2)] == [200, 400]
    assert busy.faults() == []


def test_a_restart_that_nobody_saw_fails_no_call(clients: Start, postgres: Postgres) -> None:
    """All ten connections are dead afterwards, and nobody is sent a 503 for it."""
    calm = clients(store=postgres.new_url())
    assert statuses(send_many(calm, 30)) == {200}
    postgres.stop()
    postgres.start()
    assert statuses([calm.send(calm.next_number()) for _ in range(12)]) == {200}
    assert calm.faults() == []


def test_lost_connections_cost_only_the_calls_that_were_on_them(clients: Start, postgres: Postgres) -> None:
    """All connections are ended ten times under load: whoever calls afterwards is served."""
    url = postgres.new_url()
    kills: list[tuple[float, float]] = []
    with clients(store=url) as busy, postgres.client() as other:
        for _ in range(10):
            busy.wait_for(20)
            begun = time.monotonic()
            other.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
                (url.rpartition("/")[2],),
            )
            kills.append((begun, time.monotonic()))
        busy.wait_for(20)
    failed = [event for event in busy.history.events if event.status == 503]
    assert [e for e in failed if not any(e.t0 <= end and begun <= e.t1 for begun, end in kills)] == []
    assert busy.faults() == []


def test_a_crash_keeps_what_was_answered(clients: Start, postgres: Postgres) -> None:
    """SIGKILL to all its processes, under load and right after an answer: all answers of before are still true."""
    with clients(store=postgres.new_url()) as busy:
        busy.wait_for(100)
        crash(busy, postgres)
        busy.wait_for(20)
    assert_recovers(busy)  # a caller who waited too long may have closed the way again for a moment
    sent = [sent_code(busy) for _ in range(5)]
    crash(busy, postgres)
    assert [answered(busy, number, code) for number, code in sent] == [200] * 5
    assert busy.faults() == []


def answered(clients: Clients, number: str, code: str) -> int:
    """The status of a check. It is made again where it is 503: a caller who waited too long, such as the one who writes
    the history, may have closed the way for a moment.
    """
    statuses = [503]

    def ends() -> bool:
        statuses.append(clients.attempt(number, code).status)
        return statuses[-1] != 503

    wait_until(ends, "an answer")
    return statuses[-1]


def crash(clients: Clients, postgres: Postgres) -> None:
    """Kill PostgreSQL and start it again."""
    postgres.kill()
    postgres.start()
    assert_recovers(clients)


def test_no_connection_left_is_503_and_recovers(clients: Start) -> None:
    """Somebody else has all connections that the server allows."""
    with postgres_folder() as folder, ExitStack() as others:
        postgres = Postgres(folder, require_postgres(), max_connections="5")
        postgres.options |= {"superuser_reserved_connections": "0", "max_wal_senders": "0"}
        postgres.start()
        others.callback(postgres.stop)
        calm = clients(store=postgres.new_url())
        number, code = sent_code(calm)
        greedy = others.enter_context(ExitStack())
        take_all_connections(postgres, greedy)
        assert statuses(send_many(calm, 12)) == {503}
        assert calm.attempt(number, code).status == 503
        greedy.close()
        assert_recovers(calm)
        assert calm.attempt(number, code).status == 200
        assert calm.faults() == []
        calm.server.stop()


def take_all_connections(postgres: Postgres, greedy: ExitStack) -> None:
    """Open all that are allowed, in the place of those that others have."""
    first = greedy.enter_context(postgres.client())
    first.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname LIKE 'otp%'")
    with suppress(psycopg.OperationalError):
        while True:
            greedy.enter_context(postgres.client())


# ---- silent


def test_a_server_that_hangs_is_503_before_it_goes_on(clients: Start, postgres: Postgres) -> None:
    """A burst of eighty is answered while nothing of it moves; afterwards the code still works."""
    calm = clients(store=postgres.new_url())
    number, code = sent_code(calm)
    with postgres.held():
        answers = send_many(calm, 80)
    slowest = max(event.t1 - event.t0 for event in answers)
    assert statuses(answers) == {503}
    assert slowest < 3, "each waited for those before it"
    assert len(calm.provider.posts) == 1
    assert_recovers(calm)
    assert [calm.attempt(number, code).status for _ in range(2)] == [200, 400]
    assert calm.faults() == []


@pytest.fixture
def slow(clients: Start, postgres: Postgres) -> Iterator[tuple[Clients, Proxy]]:
    """A server whose way to PostgreSQL can be made bad."""
    with Proxy(postgres.port) as proxy:
        calm = clients(store=postgres.new_url().replace(f":{postgres.port}/", f":{proxy.port}/"))
        yield calm, proxy
        calm.server.stop()


def test_a_slow_way_works_and_a_very_slow_one_is_503(slow: tuple[Clients, Proxy]) -> None:
    """100 ms for each answer are borne; at 700 ms nothing is sent, and afterwards all is well again."""
    calm, proxy = slow
    number, code = sent_code(calm)
    proxy.delay = 0.1
    assert_recovers(calm)  # soon, as other programs may add to the delay
    sent = len(calm.provider.posts)
    proxy.delay = 0.7
    answers = [*send_many(calm, 12), calm.attempt(number, other_code(code))]
    assert statuses(answers) == {503}
    assert len(calm.provider.posts) == sent
    proxy.delay = 0
    assert_recovers(calm)
    assert calm.attempt(number, code).status == 200
    assert calm.faults() == []


def test_a_lost_answer_is_503_and_nothing_is_done_twice(slow: tuple[Clients, Proxy]) -> None:
    """A wrong attempt whose answer was lost is counted once, and a right one has used the code up."""
    calm, proxy = slow
    number, code = sent_code(calm)
    attempt_and_lose_the_answer(calm, proxy, number, other_code(code))
    assert calm.attempt(number, other_code(code)).status == 400
    assert calm.status(number, calm.history.events[0].verification).answer["attempts_left"] == 3
    attempt_and_lose_the_answer(calm, proxy, number, code)
    assert calm.attempt(number, code).status == 400
    assert calm.faults() == []


def attempt_and_lose_the_answer(calm: Clients, proxy: Proxy, number: str, code: str) -> None:
    """The statement reaches PostgreSQL once, and what it says does not come back."""
    proxy.requests.clear()
    proxy.cut_after_request = lambda data: UPDATED in data
    assert calm.attempt(number, code).status == 503
    proxy.cut_after_request = lambda _: False
    assert sum(UPDATED in data for data in proxy.requests) == 1


# ---- locked


def test_a_locked_table_is_503_and_what_was_given_up_is_not_done(clients: Start, postgres: Postgres) -> None:
    """Another session keeps all writers out: no message goes out, and nothing is written when it lets go."""
    url = postgres.new_url()
    calm = clients(store=url)
    number, code = sent_code(calm)
    with locking(postgres, url, b"LOCK TABLE otp_entries IN EXCLUSIVE MODE"):
        answers = send_many(calm, 40)
        refused = calm.attempt(number, code)
    assert statuses([*answers, refused]) == {503}
    assert len(calm.provider.posts) == 1
    assert rows(postgres, url) == 1
    assert_recovers(calm)
    assert [calm.attempt(number, code).status for _ in range(2)] == [200, 400]
    assert calm.faults() == []


def rows(postgres: Postgres, url: str) -> int:
    with postgres.client(url.rpartition("/")[2]) as db:
        return int(db.execute("SELECT count(*) FROM otp_entries WHERE key LIKE 'v:%'").fetchall()[0][0])


def test_a_locked_row_is_503_for_its_number_alone(clients: Start, postgres: Postgres) -> None:
    """Who asks for another number meanwhile notices nothing."""
    url = postgres.new_url()
    calm = clients(store=url)
    number, code = sent_code(calm)
    with locking(postgres, url, b"SELECT FROM otp_entries WHERE key LIKE 'v:%' FOR UPDATE"):
        for _ in range(3):
            assert calm.attempt(number, code).status == 503
            assert statuses(send_many(calm, 4)) == {200}
    assert [calm.attempt(number, code).status for _ in range(2)] == [200, 400]
    assert calm.faults() == []


# ---- full


@pytest.fixture
def small_disk(postgres: Postgres) -> Iterator[Path]:
    """A file system of its own with one megabyte, and the tablespace `small` on it."""
    with small_file_system(postgres.folder / "small") as folder:
        (folder / "table").mkdir()
        give_to_postgres(folder / "table")
        with postgres.client() as db:
            db.execute(f"CREATE TABLESPACE small LOCATION '{folder}/table'".encode())
        yield folder
        with postgres.client() as db:
            for (database,) in db.execute("SELECT datname FROM pg_database WHERE datname LIKE 'otp%'").fetchall():
                db.execute(f"DROP DATABASE {database} WITH (FORCE)".encode())
            db.execute("DROP TABLESPACE small")


def test_a_full_disk_is_503_and_recovers(clients: Start, postgres: Postgres, small_disk: Path) -> None:
    """Without room for another page sends are refused and make no message; with room again they go on."""
    url = postgres.new_url()
    calm = clients(store=url)
    with postgres.client(url.rpartition("/")[2]) as db:
        db.execute("ALTER TABLE otp_entries SET TABLESPACE small")
    number, code = sent_code(calm)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    answers = [calm.send(calm.next_number()) for _ in range(60)]
    assert statuses(answers) <= {200, 503}
    assert statuses(answers[-5:]) == {503}
    filler.unlink()
    assert_recovers(calm)
    assert calm.attempt(number, code).status == 200
    assert calm.faults() == []


# ---- what it says


def test_the_log_tells_of_a_server_that_is_away_and_is_not_flooded(clients: Start, postgres: Postgres) -> None:
    """One line of each kind from the pool, however many calls fail, and no password in any."""
    url = postgres.new_url().replace("otp@", "otp:very-secret@")
    calm = clients(store=url)
    send_many(calm, 20)
    postgres.stop()
    end = time.monotonic() + 1
    while time.monotonic() < end:
        send_many(calm, 8)
    lines = [line for line in calm.server.log().splitlines() if '"psycopg.pool"' in line]
    assert [line for line in lines if "error connecting" in line], "the log does not say why"
    assert len(lines) <= 4, lines
    assert "very-secret" not in calm.server.log()
