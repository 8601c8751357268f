"""What the operator's settings make of the Verify API: whose credentials, which services."""

import pytest

from tests.apis.verify_v2.clients.conftest import serving_verify
from tests.apis.verify_v2.clients.dropin_check import refused

LOGIN, PAYMENT = "VA" + "1" * 32, "VA" + "2" * 32


@pytest.fixture(scope="module")
def loopback(tmp_path_factory):
    """No account configured: who is on this machine may call. Numbers of one country only."""
    with serving_verify(tmp_path_factory.mktemp("open"), OTP_VERIFY_ACCOUNTS="", OTP_COUNTRIES="US") as served:
        yield served


@pytest.fixture(scope="module")
def two_services(tmp_path_factory):
    """Two services configured, and more messages an hour than one verification has."""
    settings = {"OTP_VERIFY_SERVICES": f"{LOGIN}:login,{PAYMENT}:payment", "OTP_SENDS_PER_HOUR": "9"}
    with serving_verify(tmp_path_factory.mktemp("two"), **settings) as served:
        yield served


def test_any_account(loopback):
    """Whatever account is shown is the one of the answers."""
    account = "AC" + "7" * 32
    service = loopback.client(account, "anything").verify.v2.services(LOGIN)
    assert service.verifications.create(to=loopback.number(), channel="sms").account_sid == account


def test_some_account(loopback):
    """None is too little: a page in a browser on this machine could send that."""
    answer = loopback.ask("POST", f"/v2/Services/{LOGIN}/Verifications", data={}, auth=None)
    assert (answer.status_code, answer.json()["code"]) == (401, 20003)


def test_another_country(loopback):
    """60605."""
    create = loopback.service().verifications.create
    assert refused(lambda: create(to="+447911123456", channel="sms")) == (403, 60605)


def test_a_code_of_one_api_at_another(two_services):
    """The service for logging in is what the native API does by default; the one for payments is not."""
    number = two_services.number()
    two_services.service(PAYMENT).verifications.create(to=number, channel="sms")
    attempt = {"phone_number": number, "otp": two_services.provider.code(number)}
    assert two_services.server.post("/verify-otp", attempt).status == 400
    two_services.service(LOGIN).verifications.create(to=number, channel="sms")
    attempt = {"phone_number": number, "otp": two_services.provider.code(number)}
    assert two_services.server.post("/verify-otp", attempt).status == 200


def test_another_service(two_services):
    """Where some are configured, others are not found."""
    stranger = two_services.service("VA" + "3" * 32)
    assert refused(lambda: stranger.verifications.create(to=two_services.number(), channel="sms")) == (404, 20404)


def test_a_configured_service_stays(two_services):
    """It is shown and listed under its name, and cannot be changed or deleted over the API."""
    services = two_services.client().verify.v2.services
    assert [service.friendly_name for service in services.list()] == ["login", "payment"]
    assert services(PAYMENT).fetch().friendly_name == "payment"
    assert refused(lambda: services(PAYMENT).update(friendly_name="mine"))[0] == 403
    assert refused(services(PAYMENT).delete)[0] == 403


def test_five_messages_whatever_the_hour_allows(two_services):
    """They are those of one verification: the next one has five more."""
    started, _ = two_services.started()
    create = two_services.service().verifications.create
    again = [refused(lambda: create(to=started.to, channel="sms")) for _ in range(5)]
    assert again == ["accepted: pending"] * 4 + [(429, 60203)]
    two_services.service().verifications(started.sid).update(status="canceled")
    assert create(to=started.to, channel="sms").status == "pending"
