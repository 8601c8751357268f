"""Text messages: what Twilio is asked for, and what its answers mean to callers."""

from functools import partial

import pytest

from otp_app.core.delivery import Outcome, Reason
from tests.channels.messages import CODE, NUMBER, RECIPIENT, SERVICE, message


@pytest.fixture
def open_sms(open_channel):
    return partial(open_channel, "sms")


def test_the_request_from_a_number(twilio, open_sms):
    """The text goes to the number from ours, with the life that its code has left, and nothing else is asked for."""
    open_sms().deliver(message(ttl=299.9))
    assert twilio.messages[0].form == {
        "To": RECIPIENT,
        "From": NUMBER,
        "Body": f"Your OTP is: {CODE}",
        "ValidityPeriod": "299",
    }


@pytest.mark.parametrize("name", ["sms", "whatsapp"])
def test_twilio_reports_to_the_public_url_where_there_is_one(twilio, open_channel, name):
    """Under the ids of the verification and of the message, so that no index of messages is needed."""
    open_channel(name, otp_public_url="https://otp.example.com/app/").deliver(message())
    url = f"https://otp.example.com/app/callbacks/twilio/status/VE{'0' * 32}/VL{'0' * 32}"
    assert twilio.messages[0].form["StatusCallback"] == url


@pytest.mark.parametrize("to", ["+5491123456789", "+525512345678"])
def test_the_number_that_counts_is_the_one_that_is_asked_for(twilio, open_sms, to):
    """Text messages go to Argentina with the mobile 9 and to Mexico without the old 1."""
    open_sms().deliver(message(to))
    assert twilio.messages[0].form["To"] == to


def test_a_messaging_service_chooses_the_sender(twilio, open_sms):
    """Where there is a service, Twilio takes a sender from its pool, though a number is set too."""
    open_sms(twilio_messaging_service_sid=SERVICE).deliver(message())
    form = twilio.messages[0].form
    assert form["MessagingServiceSid"] == SERVICE
    assert "From" not in form


@pytest.mark.parametrize(("left", "asked"), [(300.0, "300"), (59.99, "59"), (0.4, "1"), (-3.0, "1"), (1e6, "36000")])
def test_no_code_arrives_after_its_life(twilio, open_sms, left, asked):
    """Twilio drops what waits longer than the code lives (rounded down); it takes 1 to 36000 seconds."""
    open_sms().deliver(message(ttl=left))
    assert twilio.messages[0].form["ValidityPeriod"] == asked


@pytest.mark.parametrize(("to", "code", "reason"), [
    ("+15005550001", 21211, Reason.BAD_NUMBER), ("+15005550002", 21612, Reason.BAD_NUMBER),
    ("+15005550003", 21408, Reason.BLOCKED), ("+15005550004", 21610, Reason.OPTED_OUT),
    ("+15005550009", 21614, Reason.BAD_NUMBER),
])  # fmt: skip
def test_magic_recipients(twilio, open_sms, to, code, reason):
    """Twilio's test recipients are refused for what they stand for."""
    delivery = open_sms().deliver(message(to))
    assert (delivery.outcome, delivery.reason, delivery.provider_code) == (Outcome.REFUSED, reason, code)
    assert (delivery.provider_id, twilio.messages) == ("", [])


@pytest.mark.parametrize(("sender", "code", "reason"), [
    ("+15005550001", 21212, Reason.ACCOUNT), ("+15005550007", 21606, Reason.ACCOUNT),
])  # fmt: skip
def test_magic_senders(open_sms, sender, code, reason):
    """Twilio's test senders are faults of our account."""
    delivery = open_sms(twilio_phone_number=sender).deliver(message())
    assert (delivery.outcome, delivery.reason, delivery.provider_code) == (Outcome.REFUSED, reason, code)


def test_the_sender_with_a_full_queue(open_sms, monkeypatch):
    """The sender whose queue is full (21611, 429) is tried three times, then throttled."""
    monkeypatch.setattr("otp_app.channels.twilio.transport.THROTTLE_PAUSE", 0.01)
    delivery = open_sms(twilio_phone_number="+15005550008").deliver(message())
    assert (delivery.outcome, delivery.reason, delivery.provider_code) == (Outcome.REFUSED, Reason.THROTTLED, 21611)
