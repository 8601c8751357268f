"""What a provider's answer becomes."""

import pytest

from otp_app.core.delivery import Delivery, Outcome, Reason

STATUS = {
    Reason.BAD_NUMBER: 422, Reason.BLOCKED: 403, Reason.SUSPICIOUS: 403, Reason.OPTED_OUT: 403, Reason.THROTTLED: 503,
    Reason.ACCOUNT: 503, Reason.AUTH: 503, Reason.UNREACHABLE: 503, Reason.FAILED: 502,
}  # fmt: skip


def refused(reason, **more):
    return Delivery(Outcome.REFUSED, reason=reason, provider_code=12345, **more)


@pytest.mark.parametrize("reason", Reason)
def test_each_refusal_has_its_status(site, reason):
    """The number's fault is 422, its owner's or the destination's 403, ours or the provider's 5xx.

    Coming back by oneself helps against a throttle and an outage, and not against what a person has to mend.
    """
    site.channel.answers.append(refused(reason))
    answer = site.send()
    assert answer.status_code == STATUS[reason]
    wanted = {"error": "The message could not be sent", "error_type": str(reason), "status": STATUS[reason]}
    by_itself = reason in (Reason.THROTTLED, Reason.UNREACHABLE)
    assert answer.json == wanted | ({"retry_after": 5} if by_itself else {})
    assert ("Retry-After" in answer.headers) == by_itself


def test_when_to_come_back_is_the_providers_word(site):
    """A provider that says how long it is busy is believed."""
    site.channel.answers.append(refused(Reason.THROTTLED, retry_after=17.5))
    assert site.send().headers["Retry-After"] == "18"


def test_a_channel_that_pauses_for_its_credentials_says_how_long(site):
    """A person has to mend them, but the channel looks again by itself."""
    site.channel.answers.append(refused(Reason.AUTH, retry_after=60.0))
    assert site.send().headers["Retry-After"] == "60"


def test_an_unknown_outcome_is_202(site):
    """The message may arrive: neither a success nor a failure, and its code works."""
    site.channel.answers.append(Delivery(Outcome.UNKNOWN))
    number = site.number()
    answer = site.send(number)
    assert answer.status_code == 202
    assert answer.json["delivery"] == "unknown"
    assert answer.json["message"] != "OTP sent successfully!"
    assert site.verify(number).status_code == 200


def test_a_failure_of_ours_costs_the_user_nothing(site):
    """After a refusal that is not about the number the next send may follow at once."""
    site.channel.answers.append(refused(Reason.ACCOUNT))
    number = site.number()
    assert [site.send(number).status_code for _ in range(2)] == [503, 200]


def test_a_refused_resend_leaves_the_code(site):
    """A message that failed takes nothing away from the one that arrived."""
    number = site.number()
    site.send(number)
    site.clock.advance(31)
    site.channel.answers.append(refused(Reason.THROTTLED))
    assert site.send(number).status_code == 503
    assert site.verify(number).status_code == 200
