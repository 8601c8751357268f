"""A consumer over a channel of paper, on which nothing is sent: what it posts is kept."""

from __future__ import annotations

import json
from threading import Event
from types import SimpleNamespace
from typing import Any

from otp_app.bus.consumer import Consumer
from otp_app.bus.letters import DEAD, REQUESTS, Letter
from otp_app.core.policy import DAY
from otp_app.workers import auth, otp
from tests.web.site import Site

TTL = 300


class Paper:
    """What a consumer does to its channel; `sleeping` is called instead of a pause."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, Any]] = []
        self.sleeping: Any = lambda seconds: None
        self.fault: Exception | None = None
        self.connection = SimpleNamespace(sleep=lambda seconds: self.sleeping(seconds))

    def basic_publish(self, exchange: str, key: str, body: bytes, properties: Any, mandatory: bool) -> None:
        assert (exchange, mandatory, properties.delivery_mode) == ("verification", True, 2)
        if self.fault:
            raise self.fault
        self.posts.append((key, properties, json.loads(body)))


class Desk:
    """The worker that sends codes, over the services of a site in this process."""

    def __init__(self, site: Site, handle: Any = None) -> None:
        self.site, self.paper, self.stopping = site, Paper(), Event()
        self.consumer = Consumer(
            None, REQUESTS, handle or otp.SendsCodes(site.services), is_passing=otp.is_passing, ttl=TTL,
            wall=lambda: site.clock().wall, stopping=self.stopping, meter=site.services.meter,
        )  # fmt: skip

    def letter(self, letter_id: str = "m1", **fields: Any) -> Letter:
        """A request of this moment."""
        return Letter.of(letter_id, self.site.clock().wall, fields)

    def take(self, letter: Letter) -> bool:
        """Hand it to the consumer."""
        return self.consumer.take(letter, self.paper)

    def posted(self, key: str) -> list[Any]:
        """The messages that were posted with a routing key."""
        return [body for posted, _, body in self.paper.posts if posted == key]

    def reasons(self) -> list[str]:
        """Why letters died."""
        return [body["reason"] for body in self.posted(DEAD.key)]


def notes_desk(site: Site, database: Any) -> Desk:
    """The worker that notes codes."""
    desk = Desk(site, auth.NotesCodes(database))
    desk.consumer._is_passing, desk.consumer._ttl = auth.is_passing, DAY
    return desk
