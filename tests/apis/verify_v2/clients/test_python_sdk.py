"""Twilio's own Python client, unchanged but for the address: every call that an application makes."""

import re
from datetime import datetime, timedelta

import pytest
from twilio.base.exceptions import TwilioRestException

from tests.apis.verify_v2.clients.conftest import ACCOUNT, KEY, SECRET, SERVICE, TOKEN
from tests.apis.verify_v2.clients.dropin_check import other, refused

FIELDS = {"locale": "de", "rate_limits": {"end_user_ip_address": "127.0.0.1"}, "tags": '{"campaign":"spring"}'}


def test_from_the_message_to_the_approval(served):
    """Begin with all that an application may send along, fail once, look, and succeed by Sid."""
    service = served.service()
    started, code = served.started(**FIELDS)
    assert re.fullmatch("VE[0-9a-f]{32}", started.sid)
    assert (started.status, started.valid, started.channel) == ("pending", False, "sms")
    assert (started.service_sid, started.account_sid) == (SERVICE, ACCOUNT)
    failed = service.verification_checks.create(to=started.to, code=other(code))
    assert (failed.status, failed.valid, failed.sid) == ("pending", False, started.sid)
    assert service.verifications(started.sid).fetch().status == "pending"
    done = service.verification_checks.create(verification_sid=started.sid, code=code)
    assert (done.status, done.valid, done.to, done.channel) == ("approved", True, started.to, "sms")


def test_dates_are_dates(served):
    """The client leaves a text where it cannot read one."""
    started, code = served.started()
    checked = served.service().verification_checks.create(to=started.to, code=code)
    for date in (started.date_created, started.date_updated, checked.date_created, checked.date_updated):
        assert isinstance(date, datetime)
        assert abs(served.now() - date) < timedelta(minutes=1)


def test_a_number_in_the_path(served):
    """The client writes its `+` as it is; others write %2B."""
    started, _ = served.started()
    verifications = served.service().verifications
    assert verifications(started.to).fetch().sid == started.sid
    encoded = started.to.replace("+", "%2B")
    fetched = served.ask("GET", f"/v2/Services/{SERVICE}/Verifications/{encoded}")
    assert (fetched.status_code, fetched.json()["to"]) == (200, started.to)
    canceled = verifications(started.to).update(status="canceled")
    assert (canceled.sid, canceled.status, canceled.valid) == (started.sid, "canceled", False)


def test_an_api_key(served):
    """Its SID and secret do for the account; answers name the account."""
    service = served.client(KEY, SECRET, ACCOUNT).verify.v2.services(SERVICE)
    started = service.verifications.create(to=served.number(), channel="sms")
    assert (started.status, started.account_sid) == ("pending", ACCOUNT)
    for user, secret in ((KEY, TOKEN), (ACCOUNT, SECRET), ("SK" + "6" * 32, SECRET)):
        service = served.client(user, secret, ACCOUNT).verify.v2.services(SERVICE)
        assert refused(lambda: service.verifications(started.sid).fetch()) == (401, 20003)  # noqa: B023  called at once


def test_an_error_of_the_client(served):
    """What an `except TwilioRestException` finds in it."""
    with pytest.raises(TwilioRestException) as caught:
        served.service().verifications.create(to="12345", channel="sms")
    error = caught.value
    assert (error.status, error.code, error.method) == (400, 60200, "POST")
    assert error.msg.startswith("Unable to create record: Invalid parameter")
    assert "To" in error.msg
    assert error.uri.endswith(f"/Services/{SERVICE}/Verifications")
    assert error.details is None or isinstance(error.details, dict)
