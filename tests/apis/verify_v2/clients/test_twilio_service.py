"""A server written for Twilio Verify works with ours once one attribute of its client is set."""

import pytest

from tests.apis.verify_v2.clients.conftest import ACCOUNT, SERVICE, TOKEN
from tests.apis.verify_v2.clients.dropin_check import other
from tests.apis.verify_v2.clients.twilio_service import TwilioService


@pytest.fixture
def service(served, monkeypatch):
    """As its author runs it, but for the address."""
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", ACCOUNT)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", TOKEN)
    monkeypatch.setenv("TWILIO_PHONE_NUMBER", "+15005550006")
    monkeypatch.setenv("TWILIO_VERIFICATION_SERVICE_SID", SERVICE)
    service = TwilioService()
    service.client.verify.base_url = served.server.url
    return service


def test_a_code_from_sending_to_approval(served, service):
    """Pending while wrong, approved when right, and no good after that."""
    number = served.number()
    assert service.send_otp_to_phone(number).startswith("VE")
    code = served.provider.code(number)
    assert service.verify_otp(number, other(code)) == (False, "pending")
    assert service.verify_otp(number, code) == (True, "approved")
    assert service.verify_otp(number, code) == (False, "expired")


def test_a_number_that_is_none(service):
    assert service.send_otp_to_phone("12345") is None


def test_a_code_too_late(served, service):
    number = served.number()
    service.send_otp_to_phone(number)
    served.wait(601)
    assert service.verify_otp(number, served.provider.code(number)) == (False, "expired")


def test_too_many_attempts(served, service):
    number = served.number()
    service.send_otp_to_phone(number)
    code = served.provider.code(number)
    assert [service.verify_otp(number, other(code)) for _ in range(5)] == [(False, "pending")] * 5
    assert service.verify_otp(number, code) == (False, "max_attempts_reached")
