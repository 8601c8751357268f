"""What callers of the Verify API hear of the provider's trouble: Twilio's shape again, and nothing of its words."""

import pytest

from tests.apis.verify_v2.clients.conftest import SERVICE, looks_like_twilios, serving_verify
from tests.apis.verify_v2.clients.dropin_check import refused


def refuses(served, trouble, status, code):
    """Let the provider refuse a message with an error of Twilio's, and hold the caller's answer to it."""
    number = served.number()
    served.provider.fail(trouble, times=9, to=number, message=f"secret words about {number}")
    asked = {"To": number, "Channel": "sms"}
    answer = served.ask("POST", f"/v2/Services/{SERVICE}/Verifications", data=asked)
    looks_like_twilios(answer, status, code)
    assert "secret" not in answer.text
    assert refused(served.service().verifications(number).fetch) == (404, 20404)


@pytest.mark.parametrize(("trouble", "code"), [(21211, 60200), (21610, 21610)])
def test_a_number_that_the_provider_refuses(sqlite_served, trouble, code):
    """The number's fault is reported, and nothing is pending."""
    refuses(sqlite_served, trouble, 400, code)


@pytest.mark.parametrize("trouble", [20003, 20429])
def test_an_account_that_the_provider_refuses(tmp_path, trouble):
    """The operator's, so never as if the caller's credentials were wrong or it asked too often."""
    with serving_verify(tmp_path, OTP_CHANNELS="sms") as served:  # its own: the channel is left alone for a while
        refuses(served, trouble, 503, 20503)


@pytest.mark.parametrize("trouble", [{"code": 0, "drop": True}, {"code": 20503}], ids=["hangs up", "breaks down"])
def test_a_provider_that_does_not_say(sqlite_served, trouble):
    """Nobody knows whether the message went: the verification is pending, as after one that did."""
    number = sqlite_served.number()
    sqlite_served.provider.fail(to=number, **trouble)
    assert sqlite_served.service().verifications.create(to=number, channel="sms").status == "pending"
