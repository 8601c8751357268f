"""Servers over one store that tell a receiver of events, each step when a test says so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook

from otp_app.background.webhooks.caretaker import Caretaker
from otp_app.background.webhooks.delivery import Deliverer
from otp_app.background.webhooks.posting import Reply
from otp_app.background.webhooks.sender import Sender
from otp_app.core import outbox
from otp_app.core.delivery import ErrorClass, Explanation
from otp_app.core.jobs import NewJob
from otp_app.core.journal import EVENTS, Journal
from otp_app.core.moving import Item, Searchable
from otp_app.core.outbox import Box
from otp_app.core.receipts import Receipt, Status
from otp_app.core.service import VerificationService
from otp_app.core.store import Swap
from otp_app.stores.memory import MemoryJobs
from tests.core.fakes import PHONE, SENT, DictStore, FakeChannel, World

SECRET = b"0123456789abcdefghijklmnopqrstuv"
LEASE = 20.0
TAKEN = Reply(taken=True)
AWAY = Reply(taken=False, why="cannot be reached")


class Explaining(FakeChannel):
    """A channel that knows what went wrong."""

    def explain(self, provider_code: int) -> Explanation:
        return Explanation(ErrorClass.RECIPIENT, f"sentence {provider_code}", elsewhere=True)


class Receiver:
    """Takes events, unless `answers` or `always` say otherwise; it drops those whose id it has, as receivers do."""

    def __init__(self) -> None:
        self.always, self.answers = TAKEN, list[Reply]()
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.taken: dict[str, dict[str, Any]] = {}
        self.secrets: Sequence[bytes] = (SECRET,)
        self.before: Callable[[], None] = lambda: None

    def post(self, content: bytes, headers: dict[str, str]) -> Reply:
        self.before()
        self.posts.append((headers, content))
        for secret in self.secrets:
            assert is_signed(secret, headers, content)
        reply = self.answers.pop(0) if self.answers else self.always
        if reply.taken:
            self.taken.setdefault(headers["webhook-id"], json.loads(content))
        return reply

    def types(self) -> list[str]:
        """What happened, in the order in which it was heard of."""
        return [told["type"] for told in self.taken.values()]

    def numbers(self, verification_id: str) -> list[int]:
        """Those of one verification."""
        found = (told["data"] for told in self.taken.values())
        return [data["number"] for data in found if data["verification_id"] == verification_id]


def is_signed(secret: bytes, headers: dict[str, str], content: bytes) -> bool:
    """Whether a library of Standard Webhooks makes one of the signatures with this secret."""
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    made = Webhook(secret).sign(headers["webhook-id"], at, content.decode())
    return made in headers["webhook-signature"].split(" ")


class FoundStore(DictStore, Searchable):
    """A store that can be searched."""

    def entries(self, prefix: str) -> Iterator[Item]:
        found = [(key, self._live(self.values, key)) for key in list(self.values) if key.startswith(prefix)]
        return iter([Item(key, value, 1.0) for key, value in found if value is not None])


class JobsStore(FoundStore):
    """A store that puts jobs together with a swap: whoever is killed, both are there or neither."""

    put_job: Callable[[str, bytes, float], None]

    def swap_with_jobs(
        self, key: str, old: bytes | None, new: bytes | None, ttl: float, new_jobs: Sequence[NewJob]
    ) -> Swap:
        def work() -> Swap:
            done = self._swap(key, old, new, ttl)
            for job in new_jobs if done.won else ():
                self.put_job(*job)
            return done

        return self._called("swap with jobs", work)


class Telling:
    """A world with a receiver. A server's queue is a list, `woken`, which is lost when it is killed."""

    def __init__(self, **world: Any) -> None:
        self.world = World(**{"channels": (Explaining("whatsapp"), Explaining("sms")), "stores": FoundStore} | world)
        self.clock = self.world.clock
        self.jobs: Any = MemoryJobs(lambda: self.clock.wall)
        if isinstance(self.world.store, JobsStore):
            self.world.store.put_job = self.jobs.put
        self.receiver = Receiver()
        self.woken: dict[str, bool] = {}
        self.secrets: Sequence[bytes] = (SECRET,)
        self.whole = False
        self.world.journal = Journal(self.put, lambda id_: self.wake(id_))

    def put(self, id_: str, payload: bytes, delay: float) -> None:
        self.jobs.put(id_, payload, delay)

    def wake(self, id_: str, *, is_due: bool = False) -> None:
        self.woken[id_] = self.woken.get(id_, False) or is_due

    def deliverer(self, service: VerificationService) -> Deliverer:
        return Deliverer(
            self.world.store, service.notebook, self.receiver, put=self.put, secrets=self.secrets,
            channels=self.world.channels, clock=self.clock, whole_numbers=self.whole, chance=lambda: 0.0,
        )  # fmt: skip

    def tell(self) -> None:
        """Have what is in the server's queue delivered."""
        service = self.world.service()
        while self.woken:
            id_, is_due = self.woken.popitem()
            self.deliverer(service).deliver(id_, is_due=is_due)

    def work(self) -> None:
        """Do the jobs that are due, and deliver."""
        service = self.world.service()
        sender = Sender(threads=0)
        sender.wake = self.wake  # type: ignore[method-assign]
        caretaker = Caretaker(service.notebook, self.deliverer(service), sender, self.put)
        for _ in range(1000):
            self.tell()
            taken = self.jobs.take(LEASE, 10)
            for job in taken:
                if not job.id.startswith(f"{EVENTS}:"):
                    continue
                again = caretaker.look(job.payload)
                self.jobs.done(job) if again is None else self.jobs.put(job.id, job.payload, again)
            if not taken and not self.woken:
                return
        raise AssertionError("it never ends")

    def wait(self, seconds: float) -> None:
        """Let time pass, and have everything done when it is due."""
        end = self.clock.wall + seconds
        self.work()
        while (due := self.jobs.next_in()) is not None and self.clock.wall + due <= end:
            self.clock.forward(max(due, 0.001))
            self.work()
        self.clock.forward(max(end - self.clock.wall, 0.0))

    def report(self, status: str, code: int = 0) -> None:
        """The provider reports something of the newest message."""
        verification = self.world.ledger().verifications[-1]
        send = verification.sends[-1]
        receipt = Receipt(verification.id, send.id, SENT.provider_id, Status(status), code)
        self.world.service().receive(receipt)

    def check(self, code: str) -> None:
        self.world.service().check(code, phone_number=PHONE)

    def box(self, verification_id: str) -> Box | None:
        """What the outbox holds of a verification."""
        stored = self.world.store.peek(outbox.key_of(verification_id))
        return outbox.decode(stored) if stored else None
