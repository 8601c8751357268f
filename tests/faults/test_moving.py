"""Moving to another store while clients go on: what they see can be explained by a server that lost nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from otp_app.core.moving import Freeze, Item
from otp_app.stores import open_store
from tests.faults.load import Clients, other_code
from tests.forking import ROOT, shared
from tests.provider import Provider
from tests.rounds import rounds
from tests.running import KEYS, RunningServer, wait_until

SETTINGS = KEYS | {"OTP_RESEND_GAPS": "30,60"}


def on_store(folder: Path, provider: Provider, url: str) -> Clients:
    """Clients of a server that has the URL of its store in .env, where HUP finds another one."""
    folder.mkdir(exist_ok=True)
    server = RunningServer(folder, provider.url, workers=2, **SETTINGS)
    del server.environment["OTP_STORE_URL"]
    tell(server, url)
    return Clients(server, provider)


def tell(server: RunningServer, url: str) -> None:
    """Write into .env where records rest."""
    (server.folder / ".env").write_text(f"OTP_STORE_URL={url}\n", encoding="ascii")


def copy(source: str, target: str) -> None:
    """Copy as an operator does."""
    status, said = shared().run(ROOT, dict(os.environ), "store", "copy", source, target)
    assert (status, "Copied" in said) == (0, True), said


def sent(clients: Clients, count: int) -> dict[str, str]:
    """Fresh numbers with a code each, not yet tried."""
    numbers = [clients.next_number() for _ in range(count)]
    for number in numbers:
        assert clients.send(number).status == 200
    return {number: clients.provider.code(number) for number in numbers}


def move_under_load(clients: Clients, source: str, target: str) -> None:
    """Copy while threads prove numbers, let them run into the freeze, then reload the server on the new store."""
    busy, server = clients, clients.server
    pending, used, tried, locked = (sent(busy, 3) for _ in range(4))
    for number, code in used.items():
        assert busy.attempt(number, code).accepted
    for codes, tries in ((tried, 4), (locked, 5)):
        for number, code in codes.items():
            assert [busy.attempt(number, other_code(code, n + 1)).status for n in range(tries)] == [400] * tries
    with closing(open_store(source)) as store:
        store.load([Item(f"z{n}", b"x", 600.0) for n in range(rounds(5_000, 20_000))])  # type: ignore[attr-defined]
    with busy:
        busy.wait_for(60)
        copy(source, target)
        frozen_at = busy.done()
        busy.wait_for(60)
        frozen = busy.history.events[frozen_at + len(busy._threads) :]  # whose requests all came after the freeze
        tell(server, target)
        server.hup()
        busy.wait_for(100)
    assert {event.status for event in frozen if event.op in ("send", "check")} == {503}
    assert {(event.answer["error"], event.retry_after) for event in frozen} == {(Freeze.MOVED.message, "1")}
    assert all(busy.attempt(number, code).accepted for number, code in pending.items())
    assert [busy.attempt(number, code).status for number, code in (used | locked).items()] == [400] * 6
    for number, code in tried.items():  # one try was left, and the move gave none back
        assert busy.attempt(number, other_code(code, 9)).status == 400
        assert busy.attempt(number, code).status == 400
        assert busy.send(number).status == 429  # nor does it forget when the last message was sent


def faults(clients: Clients) -> list[str]:
    """Try every code again, since used ones stay used and those that met the freeze work; what is wrong."""
    for post in clients.provider.posts:
        clients.attempt(post.number, post.code)
    return clients.faults()


def test_from_a_file_to_redis_under_load(
    tmp_path: Path, fake_twilio: Provider, new_store: Callable[[str], str]
) -> None:
    """One machine becomes many: 503 with when to come back during the move, then everything goes on as it was."""
    source, target = new_store("sqlite"), new_store("redis")
    clients = on_store(tmp_path / "server", fake_twilio, source)
    with clients.server:
        move_under_load(clients, source, target)
        assert faults(clients) == []


def test_from_redis_to_postgres_under_load(
    tmp_path: Path, fake_twilio: Provider, new_store: Callable[[str], str]
) -> None:
    """And a second server, which does not know of the move, accepts no code and sends none."""
    source, target = new_store("redis"), new_store("postgres")
    moved, other = (on_store(tmp_path / name, fake_twilio, source) for name in ("moved", "other"))
    with moved.server, other.server:
        other.numbers, other.history = moved.numbers, moved.history
        untried = sent(other, 3)
        move_under_load(moved, source, target)
        assert [other.attempt(number, code).status for number, code in untried.items()] == [503] * 3
        assert other.send(other.next_number()).status == 503
        wait_until(lambda: other.server.call("GET", "/readyz").status == 503, "the load balancer's sign to leave it")
        assert all(moved.attempt(number, code).accepted for number, code in untried.items())
        assert [other.attempt(number, code).accepted for number, code in untried.items()] == [False] * 3
        assert faults(moved) == []
