"""The core's surroundings in virtual form: a clock that obeys, a store in a dict, a channel that follows a script."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from otp_app.core.codes import CodeKeys, FixedCode, LedgerIds
from otp_app.core.delivery import Delivery, Message, Outcome, Reason
from otp_app.core.events import ApprovalListener, Event, Listener, NotChecked, Started
from otp_app.core.instant import Instant
from otp_app.core.journal import Journal, Recorder
from otp_app.core.ledger import Ledger
from otp_app.core.ledger_json import decode
from otp_app.core.limits import Bulkhead
from otp_app.core.policy import Policy
from otp_app.core.reminders import Reminders
from otp_app.core.results import SendRequest, SendResult
from otp_app.core.service import VerificationService
from otp_app.core.store import Swap
from otp_app.core.texts import Texts

PHONE = "+14155552671"
K1, K2, INDEX_KEY = b"1" * 32, b"2" * 32, b"i" * 32
ONE_KEY = CodeKeys("k1", {"k1": K1})

SENT, UNKNOWN = Delivery(Outcome.SENT, "SM" + "0" * 32), Delivery(Outcome.UNKNOWN)


def refused(reason: Reason = Reason.UNREACHABLE) -> Delivery:
    """A channel's certain no."""
    return Delivery(Outcome.REFUSED, reason=reason, provider_code=1)

Answer = TypeVar("Answer")


class FakeClock:
    """Stands still until a test moves it."""

    def __init__(self, wall: float = 1_800_000_000.0) -> None:
        self.wall, self.boot, self.uptime = wall, "boot-1", 1000.0

    def __call__(self) -> Instant:
        return Instant(self.wall, self.boot, self.uptime)

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += seconds
        self.uptime += seconds

    def set(self, seconds: float) -> None:
        """Put the wall clock forward or (negative) back; no time passes."""
        self.wall += seconds

    def reboot(self, down: float = 30.0) -> None:
        """Begin another boot, `down` seconds later by the wall clock."""
        self.wall += down
        self.boot, self.uptime = f"boot-{int(self.boot.partition('-')[2]) + 1}", 5.0


class DictStore:
    """A store that forgets at the end of a lifetime, counts its calls and lets a test act before any of them."""

    def __init__(self, clock: FakeClock, *, forgets: bool = True) -> None:
        self._clock, self._forgets = clock, forgets
        self.values: dict[str, tuple[bytes, float]] = {}
        self.counters: dict[str, tuple[int, float]] = {}
        self.calls: list[str] = []
        self.ttls: list[float] = []
        self.before: Callable[[str, int], None] = lambda verb, index: None
        self.after: Callable[[str, int], None] = lambda verb, index: None

    def get(self, key: str) -> bytes | None:
        return self._called("get", lambda: self.peek(key))

    def swap(self, key: str, old: bytes | None, new: bytes | None, ttl: float) -> Swap:
        return self._called("swap", lambda: self._swap(key, old, new, ttl))

    def add(self, key: str, amount: int, ttl: float) -> int:
        return self._called("add", lambda: self._add(key, amount, ttl))

    def ping(self) -> None:
        pass

    def sweep(self, limit: int) -> int:
        return 0

    def close(self) -> None:
        pass

    def peek(self, key: str) -> bytes | None:
        """What is under a key, seen from outside: no call."""
        found: bytes | None = self._live(self.values, key)
        return found

    def _called(self, verb: str, work: Callable[[], Answer]) -> Answer:
        index = len(self.calls)
        self.calls.append(verb)
        self.before(verb, index)
        answer = work()
        self.after(verb, index)
        return answer

    def _live(self, entries: dict[str, tuple[Any, float]], key: str) -> Any:
        value, end = entries.get(key, (None, 0.0))
        return value if not self._forgets or end > self._clock.wall else None

    def _swap(self, key: str, old: bytes | None, new: bytes | None, ttl: float) -> Swap:
        found = self._live(self.values, key)
        if found != old:
            return Swap(won=False, found=found)
        self.ttls.append(ttl)
        if new is None:
            del self.values[key]
        else:
            self.values[key] = (new, self._clock.wall + ttl)
        return Swap(won=True, found=new)

    def _add(self, key: str, amount: int, ttl: float) -> int:
        count, end = self.counters.get(key, (0, 0.0))
        count, end = (count, end) if end > self._clock.wall else (0, self._clock.wall + ttl)
        self.counters[key] = (count + amount, end)
        return count + amount


class LaterStore(DictStore):
    """Makes later swaps only when this process calls next: should it die first (`later` cleared), they are lost."""

    def __init__(self, clock: FakeClock, *, forgets: bool = True) -> None:
        super().__init__(clock, forgets=forgets)
        self.later: list[Callable[[], None]] = []

    def swap_later(
        self, key: str, old: bytes | None, new: bytes | None, ttl: float, then: Callable[[Swap | None], None]
    ) -> None:
        self.later.append(lambda: then(self._swap(key, old, new, ttl)))

    def get(self, key: str) -> bytes | None:
        self.catch_up()
        return super().get(key)

    def swap(self, key: str, old: bytes | None, new: bytes | None, ttl: float) -> Swap:
        self.catch_up()
        return super().swap(key, old, new, ttl)

    def catch_up(self) -> None:
        """Make what waits."""
        while self.later:
            self.later.pop(0)()


class BeginningStore(DictStore):
    """Makes swaps that are begun when their caller waits for the first of them, in their order."""

    def __init__(self, clock: FakeClock, *, forgets: bool = True) -> None:
        super().__init__(clock, forgets=forgets)
        self.begun: list[Callable[[], object]] = []

    def begin_swap(self, key: str, old: bytes | None, new: bytes | None, ttl: float) -> Callable[[], Swap]:
        made: list[Swap] = []
        self.begun.append(lambda: made.append(self.swap(key, old, new, ttl)))

        def wait() -> Swap:
            while self.begun:
                self.begun.pop(0)()
            return made[0]

        return wait


class FakeChannel:
    """Keeps every message; answers as scripted, then `SENT` for ever."""

    def __init__(self, name: str = "sms", *, landlines: bool = False) -> None:
        self.name, self.landlines = name, landlines
        self.messages: list[Message] = []
        self.answers: list[Delivery] = []
        self.script: list[Delivery] = []
        self.always = SENT
        self.during: Callable[[Message], None] = lambda message: None

    def deliver(self, message: Message) -> Delivery:
        self.messages.append(message)
        self.during(message)
        self.answers.append(self.script.pop(0) if self.script else self.always)
        return self.answers[-1]

    def ping(self) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass
class World:
    """One server's parts, each open to a test. Change one, then call `service()`, and the server has restarted."""

    clock: FakeClock = field(default_factory=FakeClock)
    policy: Policy = field(default_factory=Policy)
    keys: CodeKeys = ONE_KEY
    texts: Texts = field(default_factory=Texts)
    countries: frozenset[str] = frozenset()
    test_numbers: dict[str, FixedCode] = field(default_factory=dict)
    channels: Sequence[FakeChannel] = ()
    places: Bulkhead = field(default_factory=lambda: Bulkhead(64))
    forgetful: bool = True  # the store forgets what has lived its time
    random: random.Random = field(default_factory=lambda: random.Random(7))
    events: list[Event] = field(default_factory=list)
    stores: type[DictStore] = DictStore
    routes: dict[str, list[str]] = field(default_factory=dict)
    reminders: Reminders | None = None
    journal: Journal | None = None
    recorder: Recorder | None = None

    def __post_init__(self) -> None:
        self.store = self.stores(self.clock, forgets=self.forgetful)
        self.channels = self.channels or (FakeChannel(),)
        self.listeners: list[Listener] = [self.events.append]
        self.on_approved: list[ApprovalListener] = []
        self.ids = LedgerIds(INDEX_KEY, self.random.randbytes)

    def service(self) -> VerificationService:
        """A fresh process over the same store."""
        return VerificationService(
            self.store,
            self.channels,
            policy=self.policy,
            keys=self.keys,
            ids=self.ids,
            texts=self.texts,
            clock=self.clock,
            places=self.places,
            countries=self.countries,
            test_numbers=self.test_numbers,
            listeners=self.listeners,
            on_approved=self.on_approved,
            routes=self.routes,
            reminders=self.reminders,
            journal=self.journal,
            recorder=self.recorder,
        )

    @property
    def sms(self) -> FakeChannel:
        """The first channel."""
        return self.channels[0]

    def outcomes(self) -> list[Event]:
        """What listeners were told, but for starts and attempts that were not compared."""
        return [event for event in self.events if not isinstance(event, Started | NotChecked)]

    def send(self, phone: str = PHONE, **request: Any) -> SendResult:
        """Send with the fields of a SendRequest."""
        return self.service().send(phone, SendRequest(**request))

    def code(self) -> str:
        """What stands in the last message of any channel (the first one's, should two be as late)."""
        return next(c.messages[-1].code for c in self.channels if c.messages)

    def messages(self) -> list[Message]:
        """All messages of all channels."""
        return [m for c in self.channels for m in c.messages]

    def ledger(self, phone: str = PHONE) -> Ledger:
        """What the store holds of a number."""
        return decode(self.store.values[self.ids.ledger(phone)][0])


def wrong(code: str) -> str:
    """Another code of the same length."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}d}"


def wrongs(code: str) -> Iterable[str]:
    """Other codes without end, each one different."""
    n = int(code)
    while True:
        n += 1
        yield f"{n % 10 ** len(code):0{len(code)}d}"
