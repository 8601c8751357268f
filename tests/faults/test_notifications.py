"""Notifications of a real server whose worker is killed at any moment: none is lost, and none is sent twice."""

from __future__ import annotations

import http.client
import random
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.phones import fresh_numbers
from tests.provider import Provider
from tests.running import RunningServer, wait_until

pytestmark = pytest.mark.slow
ROUNDS, SIZE = 6, 30
MOST_LATE = 120.0  # seconds until the last one has ended: a lease, and the time in which a provider may answer


class Sender:
    """Sends batches until each is answered, whatever happens to the server meanwhile."""

    def __init__(self, server: RunningServer) -> None:
        self.server, self.numbers = server, fresh_numbers()
        self.accepted: dict[str, str] = {}  # number -> id

    def batch(self, key: str) -> None:
        """Ask with the same key until there is an answer."""
        numbers = [next(self.numbers) for _ in range(SIZE)]
        recipients = [{"phone_number": number, "variables": {"number": key}} for number in numbers]
        body, answer = {"template": "order_shipped", "recipients": recipients}, None
        while answer is None or answer.status != 202:
            try:
                answer = self.server.post("/notifications/batch", body, {"Idempotency-Key": key})
            except (OSError, http.client.HTTPException):
                wait_until(self.server.healthy, "a new worker")
        results = answer.json["results"]
        assert [result.get("status") for result in results] == ["queued"] * SIZE
        self.accepted |= {number: result["id"] for number, result in zip(numbers, results, strict=True)}

    def statuses(self) -> dict[str, str]:
        """What has become of each, by number."""
        paths = {number: f"/notifications/{found}" for number, found in self.accepted.items()}
        return {number: self.server.call("GET", path).json["status"] for number, path in paths.items()}


@pytest.mark.parametrize("store", ["sqlite", "redis"])
def test_a_worker_that_is_killed_at_any_moment_loses_none_and_sends_none_twice(
    store: str, tmp_path: Path, fake_twilio: Provider, new_store: Callable[[str], str],
    server: Callable[..., RunningServer],
) -> None:
    (tmp_path / "templates.toml").write_text('[order_shipped]\nsms = "Order {number}"\n', encoding="ascii")
    running = server(store=new_store(store), OTP_TEMPLATES_FILE=str(tmp_path / "templates.toml"))
    sender, chance = Sender(running), random.Random(7)
    fake_twilio.latency = 0.02
    for n in range(ROUNDS):
        _kill_after(running, fake_twilio, chance.randrange(SIZE))
        sender.batch(f"batch-{n}")
        wait_until(lambda: fake_twilio.on_message is _nothing, "the kill")
    wait_until(lambda: "queued" not in sender.statuses().values(), "the end of all", MOST_LATE, every=1.0)
    messages, statuses = Counter(post.number for post in fake_twilio.posts), sender.statuses()
    assert set(statuses.values()) == {"sent", "unknown"}  # what was on its way to the provider is unknown
    assert {messages[number] for number, status in statuses.items() if status == "sent"} == {1}
    assert max(messages.values()) == 1
    assert len(statuses) == ROUNDS * SIZE


def _nothing(_: Any) -> None:
    """Nothing happens with a message."""


def _kill_after(server: RunningServer, provider: Provider, count: int) -> None:
    """Kill the worker as the provider takes so many more messages, before it answers for the last of them."""
    first, turn = len(provider.posts), threading.Lock()

    def kill(_: Any) -> None:
        with turn:
            if len(provider.posts) - first > count and provider.on_message is kill:
                server.kill_worker()
                provider.on_message = _nothing

    provider.on_message = kill
