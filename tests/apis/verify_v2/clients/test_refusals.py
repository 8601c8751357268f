"""Refusals as Twilio's client sees them; ../test_refusals.py has all that there are."""

import pytest
from twilio.base.exceptions import TwilioRestException

from tests.apis.verify_v2.clients.conftest import SERVICE
from tests.apis.verify_v2.clients.dropin_check import refused

pytestmark = pytest.mark.slow

NUMBER = "+14155550199"


@pytest.mark.parametrize("ask", [
    lambda verify, service: verify.verification_attempts("VL" + "1" * 32).fetch(),
    lambda verify, service: verify.safelist.create(phone_number=NUMBER),
    lambda verify, service: service.rate_limits.create(unique_name="x"),
    lambda verify, service: service.rate_limits("RK" + "1" * 32).buckets("BL" + "1" * 32).fetch(),
    lambda verify, service: service.webhooks("YW" + "1" * 32).fetch(),
    lambda verify, service: service.entities("x").new_factors.create(friendly_name="x", factor_type="totp"),
    lambda verify, service: service.messaging_configurations("US").fetch(),
])  # fmt: skip
def test_what_is_not_offered_as_the_client_sees_it(sqlite_served, ask):
    """Its own exception with 20404, for resources of Twilio's that there are not."""
    verify = sqlite_served.client().verify.v2
    with pytest.raises(TwilioRestException) as caught:
        ask(verify, verify.services(SERVICE))
    assert (caught.value.status, caught.value.code) == (404, 20404)


def test_refused_as_the_client_sees_it(sqlite_served):
    create = sqlite_served.client(secret="wrong").verify.v2.services(SERVICE).verifications.create
    assert refused(lambda: create(to=NUMBER, channel="sms")) == (401, 20003)
