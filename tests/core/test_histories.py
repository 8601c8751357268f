"""Any interleaving of calls, faults and clocks, against the rules that must hold in every one."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from otp_app.core.codes import FixedCode
from otp_app.core.delivery import Delivery, Reason
from otp_app.core.errors import OtpError, StoreUnavailable
from otp_app.core.ledger import Status
from otp_app.core.ledger_json import MAX_BYTES, decode
from otp_app.core.policy import DAY, HOUR, Policy
from otp_app.core.results import SendRequest, SendResult
from tests.core.fakes import PHONE, SENT, UNKNOWN, FakeChannel, FakeClock, World, refused, wrong
from tests.core.witness import Witness
from tests.rounds import rounds

OTHER, TEST_NUMBER = "+14155552672", "+11111111111"
DELIVERIES = [SENT, SENT, UNKNOWN, *(refused(reason) for reason in Reason)]

# Most of it happens to one number and purpose, or little would happen to any.
servers, numbers = st.integers(0, 1), st.sampled_from((PHONE,) * 6 + (OTHER, TEST_NUMBER))
purposes = st.sampled_from(("login",) * 4 + ("payment",))


class Histories(RuleBasedStateMachine):
    """Two servers over one store, owners and strangers, a provider with moods, and clocks that go wrong."""

    @initialize(new_code=st.booleans(), seed=st.integers(0, 1000))
    def start(self, new_code: bool, seed: int) -> None:
        """Set the world up."""
        clock = FakeClock()
        self.world = World(
            clock=clock,
            policy=Policy(new_code_on_resend=new_code),
            channels=(FakeChannel("whatsapp", landlines=True), FakeChannel("sms")),
            test_numbers={TEST_NUMBER: FixedCode("123456", clock.wall + 500 * DAY)},
            random=random.Random(seed),
        )
        self.witness = Witness(self.world)
        self.restart()

    # ---- calls

    @rule(
        server=servers,
        number=numbers,
        purpose=purposes,
        authenticated=st.booleans(),
        moods=st.lists(st.sampled_from(DELIVERIES), min_size=2, max_size=2),
        slow=st.sampled_from([0.0, 0.0, 3.5]),
        wait=st.sampled_from([0.0, 30.0, 60.0, 60.0, 120.0, 300.0]),
    )
    def send(
        self,
        server: int,
        number: str,
        purpose: str,
        authenticated: bool,
        moods: list[Delivery],
        slow: float,
        wait: float,
    ) -> None:
        """Send, after a wait that may be long enough. A refused send never kills the pending verification."""
        self.world.clock.forward(wait)
        pending = self.witness.pending(self.servers[server], number, purpose)
        request = SendRequest(purpose, authenticated=authenticated)
        send = partial(self.servers[server].send, number, request)
        sent = self._send(number, purpose, send, moods, slow, authenticated=authenticated)
        if pending and not sent:
            assert self.servers[server].status(pending).status == Status.PENDING, "a refused send killed it"

    @rule(server=servers, number=numbers, purpose=purposes)
    def resend(self, server: int, number: str, purpose: str) -> None:
        """Ask again by id."""
        if known := self.witness.latest(number, purpose):
            self._send(number, purpose, lambda: self.servers[server].resend(known, SendRequest()))

    @rule(turn=st.integers(0, 3), moment=st.sampled_from(["before", "after"]), number=numbers)
    def send_with_a_failing_store(self, turn: int, moment: str, number: str) -> None:
        """Break a send off."""
        first = len(self.world.store.calls)

        def fail(verb: str, index: int) -> None:
            if index == first + turn:
                raise StoreUnavailable

        setattr(self.world.store, moment, fail)
        self._send(number, "login", lambda: self.servers[0].send(number, SendRequest()))

    @rule(
        server=servers,
        number=numbers,
        purpose=purposes,
        right=st.sampled_from([False, False, False, True]),
        by_id=st.booleans(),
        lost=st.integers(0, 2),
        times=st.sampled_from([1, 2, 4, 6]),
    )
    def check(self, server: int, number: str, purpose: str, right: bool, by_id: bool, lost: int, times: int) -> None:
        """Check a code, while another server checks one in between as often as `lost` says."""
        for _ in range(times):
            self._lose_swaps(lost, lambda: self._attempt(1 - server, number, purpose, right))
            self._attempt(server, number, purpose, right, by_id=by_id)
            self.world.store.before = _nothing

    @rule(server=servers, number=numbers, purpose=purposes)
    def cancel(self, server: int, number: str, purpose: str) -> None:
        """End what is there."""
        try:
            report = self.servers[server].cancel(self.witness.latest(number, purpose) or "")
        except OtpError:
            return
        assert report.status == Status.CANCELED

    @rule(server=servers, number=numbers, right=st.booleans())
    def attack(self, server: int, number: str, right: bool) -> None:
        """Use all attempts but one, have the code sent again for new attempts, and go on."""
        for _ in range(3):
            for _ in range(4):
                self._attempt(server, number, "login", right=False)
            self.world.clock.forward(60)
            send = partial(self.servers[server].send, number, SendRequest(authenticated=True))
            self._send(number, "login", send, authenticated=True)
        self._attempt(server, number, "login", right)

    @rule(number=numbers, times=st.integers(2, 20), wait=st.sampled_from([300.0, 300.0, 1500.0, HOUR]))
    def flood(self, number: str, times: int, wait: float) -> None:
        """Send at every chance."""
        for n in range(times):
            request = SendRequest(authenticated=n % 3 == 0)
            send = partial(self.servers[0].send, number, request)
            self._send(number, "login", send, authenticated=request.authenticated)
            self.world.clock.forward(wait)

    @rule(number=numbers, back=st.sampled_from([-300.0, 0.0, 300.0]), wait=st.sampled_from([290.0, 301.0, 601.0]))
    def attempt_late(self, number: str, back: float, wait: float) -> None:
        """Send, set the clock, and come at the end of the code's life."""
        self._send(number, "login", lambda: self.servers[0].send(number, SendRequest()))
        self.set_clock(back)
        self.world.clock.forward(wait)
        self._attempt(1, number, "login", right=True)

    # ---- time and faults

    @rule(seconds=st.sampled_from([0.5, 10.0, 59.0, 240.0, 299.5, 1200.0, HOUR, 6 * HOUR, DAY]))
    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.world.clock.forward(seconds)

    @rule(seconds=st.sampled_from([-1.0, -30.0, -HOUR, -DAY, 30.0, HOUR, DAY]))
    def set_clock(self, seconds: float) -> None:
        """Put the wall clock forward or back."""
        self.world.clock.set(seconds)
        if seconds < 0:
            self.witness.forget_times()

    @rule(down=st.sampled_from([1.0, 30.0, 400.0]))
    def reboot(self, down: float) -> None:
        """Start the machine again: other boot, other processes."""
        self.world.clock.reboot(down)
        self.restart()

    @rule()
    def restart(self) -> None:
        """Start the processes again."""
        self.servers = [self.world.service(), self.world.service()]

    # ---- what must hold, beside what the witness says

    @invariant()
    def ledgers_are_small_and_readable(self) -> None:
        """A ledger is at most 4 KiB."""
        for data, _ in self.world.store.values.values():
            assert len(data) <= MAX_BYTES
            decode(data)

    @invariant()
    def lifetimes_are_positive_and_finite(self) -> None:
        """No ledger is stored for nothing or for ever."""
        assert all(0 < ttl < 32 * DAY for ttl in self.world.store.ttls)
        self.world.store.ttls.clear()

    @invariant()
    def counts_hold(self) -> None:
        """One acceptance, five attempts."""
        for story in self.witness.stories.values():
            assert story.approvals <= 1
            assert story.looked_at <= 5

    # ---- how it is done

    def _send(
        self,
        number: str,
        purpose: str,
        call: Callable[[], SendResult],
        moods: list[Delivery] | None = None,
        slow: float = 0.0,
        *,
        authenticated: bool = False,
    ) -> bool:
        before, called = [len(c.messages) for c in self.world.channels], self.world.clock()
        for channel, mood in zip(self.world.channels, moods or (SENT, SENT), strict=True):
            channel.script, channel.during = [mood], lambda message: self.world.clock.forward(slow)
        try:
            sending = call()
        except OtpError:
            sending = None
        self.world.store.before = self.world.store.after = _nothing
        if sending:
            self.witness.heard(sending, number, purpose, called)
        self.witness.look_at_messages(number, before, called, authenticated=authenticated)
        return sending is not None

    def _attempt(self, server: int, number: str, purpose: str, right: bool, *, by_id: bool = False) -> None:
        code, id_ = self.witness.code(number, purpose), self.witness.latest(number, purpose)
        attempt = code if right else wrong(code)
        asked: dict[str, Any] = {"verification_id": id_} if by_id and id_ else {"phone_number": number}
        verdict = self.servers[server].check(attempt, purpose=purpose, **asked)
        self.witness.looked_at(verdict, number, purpose, attempt, self.world.clock())

    def _lose_swaps(self, times: int, meanwhile: Callable[[], None]) -> None:
        """Let another server act just before a swap, as often as asked."""
        left = times

        def before(verb: str, index: int) -> None:
            nonlocal left
            if verb == "swap" and left:
                left -= 1
                self.world.store.before = _nothing
                meanwhile()
                self.world.store.before = before

        self.world.store.before = before


def _nothing(verb: str, index: int) -> None:
    pass


def test_the_rules_hold_in_every_history() -> None:
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=rounds(20, 100),
            stateful_step_count=50,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
