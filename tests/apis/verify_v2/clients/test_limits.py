"""The rules of a verification in Twilio's figures: five messages, five attempts, ten minutes, one approval."""

import pytest
from twilio.base.exceptions import TwilioRestException

from tests.apis.verify_v2.clients.dropin_check import other, refused

GONE, SPENT, ATTEMPTED = (404, 20404), (429, 60203), (429, 60202)


def test_a_resend_gives_no_more_attempts(served):
    """They are those of the verification, not of the message."""
    started, code = served.started()
    service = served.service()
    for _ in range(4):
        service.verification_checks.create(to=started.to, code=other(code))
    service.verifications.create(to=started.to, channel="sms")
    assert service.verification_checks.create(to=started.to, code=other(code)).status == "pending"
    assert refused(lambda: service.verification_checks.create(to=started.to, code=code)) == ATTEMPTED


def test_ten_minutes(served):
    """A code is good in the last of them."""
    started, code = served.started()
    served.wait(590)
    assert served.service().verification_checks.create(to=started.to, code=code).status == "approved"


def expire(served, started):
    served.wait(601)


def approve(served, started):
    code = served.provider.code(started.to)
    assert served.service().verification_checks.create(to=started.to, code=code).status == "approved"


def cancel(served, started):
    assert served.service().verifications(started.sid).update(status="canceled").status == "canceled"


@pytest.mark.parametrize("end", [expire, approve, cancel])
def test_what_is_over_is_not_found(served, end):
    """20404 for a check by number and by Sid and for an update, and the next message begins another one."""
    started, code = served.started()
    end(served, started)
    service = served.service()
    assert refused(lambda: service.verification_checks.create(to=started.to, code=code)) == GONE
    assert refused(lambda: service.verification_checks.create(verification_sid=started.sid, code=code)) == GONE
    assert refused(lambda: service.verifications(started.sid).update(status="approved")) == GONE
    assert refused(lambda: service.verifications(started.to).update(status="canceled")) == GONE
    assert service.verifications.create(to=started.to, channel="sms").sid != started.sid


def test_a_resend_does_not_lengthen_life(served):
    """Ten minutes from the first message, with the same Sid and code until then."""
    started, code = served.started()
    served.wait(500)
    again = served.service().verifications.create(to=started.to, channel="sms")
    assert (again.sid, served.provider.code(started.to)) == (started.sid, code)
    assert again.date_created == started.date_created
    served.wait(101)
    assert refused(lambda: served.service().verification_checks.create(to=started.to, code=code)) == GONE


def test_the_cap_of_a_number(served):
    """Five messages an hour over all verifications; the exception's details say for how long it is over."""
    started, _ = served.started()
    service = served.service()
    for _ in range(4):
        service.verifications.create(to=started.to, channel="sms")
    service.verifications(started.sid).update(status="canceled")
    with pytest.raises(TwilioRestException) as caught:
        service.verifications.create(to=started.to, channel="sms")
    assert (caught.value.status, caught.value.code) == SPENT
    wait = caught.value.details["retry_after"]
    assert 3500 < wait <= 3600
    served.wait(wait)
    assert service.verifications.create(to=started.to, channel="sms").status == "pending"
