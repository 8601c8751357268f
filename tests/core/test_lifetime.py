"""A store that forgets at the end of each lifetime never forgets what a rule still needs."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otp_app.core.delivery import Delivery, Reason
from otp_app.core.errors import LimitReached, OtpError
from otp_app.core.ledger import Status
from otp_app.core.policy import DAY, HOUR, Policy
from otp_app.core.results import SendRequest
from tests.core.fakes import PHONE, SENT, World, refused, wrong

WAITS = [0.0, 30.0, 60.0, 300.0, 599.0, 600.0, 3599.0, HOUR, 6 * HOUR, DAY - 1, DAY, 29 * DAY, 30 * DAY, 31 * DAY]
DELIVERIES = [SENT, SENT, refused(Reason.BAD_NUMBER), refused(Reason.OPTED_OUT), refused(Reason.UNREACHABLE)]
Step = tuple[str, float | Delivery | bool]
STEPS = st.one_of(
    st.tuples(st.just("wait"), st.sampled_from(WAITS)),
    st.tuples(st.just("send"), st.sampled_from(DELIVERIES)),
    st.tuples(st.just("attempt"), st.sampled_from([False, False, True])),
)


class Twin:
    """A server whose store forgets, or never does."""

    def __init__(self, *, forgets: bool) -> None:
        self.world = World(forgetful=forgets, random=random.Random(5))
        self.service = self.world.service()

    def do(self, what: str, how: float | Delivery | bool) -> object:
        """One step of a history; what came of it."""
        if isinstance(how, Delivery):
            return self._send(how)
        if what == "wait":
            self.world.clock.forward(how)
            return None
        code = self.world.sms.messages[-1].code if self.world.sms.messages else "000000"
        verdict = self.service.check(code if how else wrong(code), phone_number=PHONE)
        return verdict.counted, verdict.approved, verdict.attempts_left

    def _send(self, delivery: Delivery) -> object:
        self.world.sms.script = [delivery]
        try:
            sending = self.service.send(PHONE, SendRequest())
        except LimitReached as limit:
            return type(limit), limit.retry_after
        except OtpError as error:
            return type(error), getattr(error, "reason", None)
        return sending.expires_in, sending.resend_in, sending.sends_left, len(self.world.code())


@pytest.mark.slow
@given(st.lists(STEPS, min_size=5, max_size=60))
@settings(max_examples=120, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_store_that_forgets_answers_like_one_that_never_does(steps: list[Step]) -> None:
    forgetful, perfect = Twin(forgets=True), Twin(forgets=False)
    for what, how in steps:
        assert forgetful.do(what, how) == perfect.do(what, how)


def test_the_day_of_wrong_attempts_is_remembered_for_30_days_by_a_store_that_forgets(world: World) -> None:
    world.policy = Policy(risk_raise=5e-6, risk_lower=1e-6)
    world.send()
    for _ in range(5):
        world.service().check(wrong(world.code()), phone_number=PHONE)
    world.clock.forward(29.9 * DAY)
    world.send()
    assert len(world.code()) == 8
    world.clock.forward(2 * DAY)
    world.send()
    assert len(world.code()) == 6


def test_a_tombstone_outlives_its_hour_in_a_store_that_forgets(world: World) -> None:
    sending = world.send()
    world.clock.forward(300 + 3599)
    assert world.service().status(sending.verification_id).status == Status.EXPIRED
