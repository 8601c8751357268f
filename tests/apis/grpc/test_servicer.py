"""SendOTP and VerifyOTP: what concerns a number, its code or its message is a response, with why beside it."""

import grpc
import pytest

from otp_app.core.delivery import Delivery, Outcome, Reason
from otp_app.core.errors import NotPending, StoreUnavailable
from tests.apis.grpc.calling import OK
from tests.web.site import wrong


def test_a_code_is_sent_and_accepted_once(call_site):
    """Used again, it is a code that is not there."""
    site, client = call_site()
    number, grpc_client = site.number(), client()
    sent = grpc_client.send(number)
    assert (sent.code, sent.success) == (OK, True)
    answer = grpc_client.verify(number, site.code())
    assert (answer.code, answer.success, answer.status) == (OK, True, "approved")
    assert answer.details["verification_id"] == sent.details["verification_id"]
    assert grpc_client.verify(number, site.code())[:3] == (OK, False, "failed")


def test_wrong_codes_are_pending_until_the_fifth(call_site):
    """Which ends the verification: the right one comes too late."""
    site, client = call_site()
    number = site.number()
    client().send(number)
    statuses = [client().verify(number, wrong(site.code())).status for _ in range(5)]
    assert statuses == ["pending"] * 4 + ["max_attempts_reached"]
    assert client().verify(number, site.code())[1:3] == (False, "max_attempts_reached")


def test_an_end_is_told(call_site):
    """In Twilio's words."""
    site, client = call_site()
    number, canceled = site.number(), site.number()
    client().send(number)
    code = site.code()
    sent = client().send(canceled)
    site.call("DELETE", f"/verifications/{sent.details['verification_id']}")
    site.clock.advance(301)
    assert client().verify(number, code)[:3] == (OK, False, "expired")
    assert client().verify(canceled, site.code())[:3] == (OK, False, "canceled")


@pytest.mark.parametrize(
    ("number", "otp", "error_type"),
    [("+14155550001", "123456", None), ("", "123456", "invalid_phone"), ("+14155550001", "", "invalid_input"),
     ("+14155550001", "12345a", "invalid_input")],
)  # fmt: skip
def test_nothing_to_check_is_a_status(call_site, number, otp, error_type):
    """And no error of the call."""
    answer = call_site()[1]().verify(number, otp)
    assert answer[:3] == (OK, False, "failed")
    assert answer.details.get("error_type") == error_type


def test_a_second_send_has_to_wait(call_site):
    """No success; beside it the reason and the seconds."""
    site, client = call_site()
    number = site.number()
    client().send(number)
    answer = client().send(number)
    assert answer[:2] == (OK, False)
    assert answer.details["error_type"] == "resend_too_soon"
    assert answer.details["retry_after"] == "30"
    assert number not in answer.details["message"]


@pytest.mark.parametrize("number", ["", "12", "+1415555267a", "+14155552671" * 5])
def test_no_number_is_no_success(call_site, number):
    """And no message."""
    site, client = call_site()
    answer = client().send(number)
    assert (answer[:2], answer.details["error_type"]) == ((OK, False), "invalid_phone")
    assert site.channel.messages == []


@pytest.mark.parametrize(
    ("delivery", "success", "details"),
    [
        (Delivery(Outcome.REFUSED, reason=Reason.OPTED_OUT), False, {"error_type": "opted_out"}),
        (Delivery(Outcome.REFUSED, reason=Reason.AUTH), False, {"error_type": "provider_auth"}),
        (Delivery(Outcome.UNKNOWN), True, {"delivery": "unknown"}),
    ],
)
def test_what_the_provider_says(call_site, delivery, success, details):
    """A message that may have been sent is sent: its code works."""
    site, client = call_site()
    site.channel.answers.append(delivery)
    answer = client().send(site.number())
    assert answer[:2] == (OK, success)
    assert details.items() <= answer.details.items()


@pytest.mark.parametrize("method", ["send", "verify"])
def test_a_store_that_is_away_is_an_error_of_the_call(call_site, monkeypatch, method):
    """Nothing is known, so there is no answer."""
    site, client = call_site(otp_client_limits="", otp_check_limits="")

    def down(*_):
        raise StoreUnavailable

    monkeypatch.setattr(site.services.store, "swap", down)
    monkeypatch.setattr(site.services.store, "get", down)
    answer = client().send(site.number()) if method == "send" else client().verify(site.number(), "123456")
    assert answer.code == grpc.StatusCode.UNAVAILABLE
    assert (answer.details["error_type"], answer.details["retry_after"]) == ("store_unavailable", "1")


def test_an_error_without_a_status_of_its_own_is_told_all_the_same(call_site, monkeypatch):
    """With its type beside it."""
    site, client = call_site()

    def refuse(*_, **__):
        raise NotPending("It has ended")

    monkeypatch.setattr(site.services.verifications, "check", refuse)
    answer = client().verify(site.number(), "123456")
    assert (answer.code, answer.details["error_type"]) == (grpc.StatusCode.UNKNOWN, "not_pending")


def test_a_defect_shows_nothing(call_site, monkeypatch, caplog):
    """Neither to the client nor in the log, which has its type and place."""
    site, client = call_site()
    number = site.number()

    def broken(*_):
        raise KeyError(number)

    monkeypatch.setattr(site.services.verifications, "send", broken)
    answer = client().send(number)
    assert (answer.code, answer.details["message"]) == (grpc.StatusCode.INTERNAL, "Internal error")
    assert [record.getMessage() for record in caplog.records] == ["unexpected error"]


@pytest.mark.parametrize("by_id", [True, False])
def test_a_check_by_id(call_site, by_id):
    """OTP_CHECK_BY=id: a check names the verification in its metadata, and no other one."""
    site, client = call_site(otp_check_by="id")
    number = site.number()
    mine = client().send(number).details["verification_id"]
    code = site.code()
    others = client().send(site.number()).details["verification_id"]
    assert client().verify(number, code, verification_id=others).status == "failed"
    answer = client().verify(number, code, **{"verification_id": mine} if by_id else {})
    assert (answer.success, answer.status) == ((True, "approved") if by_id else (False, "failed"))
