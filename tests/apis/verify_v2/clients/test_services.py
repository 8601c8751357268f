"""Services through Twilio's Python client: made, shown, listed, changed, deleted, and what their verifications get."""

import re
from datetime import datetime

import pytest

from tests.apis.verify_v2.clients.conftest import ACCOUNT
from tests.apis.verify_v2.clients.dropin_check import refused

GONE, BAD = (404, 20404), (400, 60200)


@pytest.fixture
def services(own_served):
    """The list of services, as Twilio's client has it."""
    return own_served.client().verify.v2.services


def test_a_new_service(services):
    service = services.create(friendly_name="Corner Shop", code_length=8)
    assert re.fullmatch("VA[0-9a-f]{32}", service.sid)
    assert (service.friendly_name, service.code_length, service.account_sid) == ("Corner Shop", 8, ACCOUNT)
    assert (service.custom_code_enabled, service.lookup_enabled, service.psd2_enabled) == (False, False, False)
    assert isinstance(service.date_created, datetime)
    assert services(service.sid).fetch().date_created == service.date_created


def test_a_change(services):
    """What is not named stays, and the next look shows it."""
    service = services.create(friendly_name="Before", code_length=7)
    changed = service.update(friendly_name="After")
    assert (changed.sid, changed.friendly_name, changed.code_length) == (service.sid, "After", 7)
    assert services(service.sid).fetch().friendly_name == "After"


def test_the_list(services):
    """All of them, in pages as long as the caller wants."""
    made = {services.create(friendly_name=f"Shop {letter}").sid for letter in "abc"}
    listed = [service.sid for service in services.list()]
    assert made <= set(listed)
    assert len(listed) == len(set(listed))
    assert [service.sid for service in services.stream(page_size=2)] == listed
    assert [service.sid for service in services.list(limit=2)] == listed[:2]


def test_the_end(own_served, services):
    """Deleted, without a word, is gone: from the list, to look at, to change, and for verifications under it."""
    service = services.create(friendly_name="Short")
    number = own_served.number()
    started = services(service.sid).verifications.create(to=number, channel="sms")
    deleted = own_served.ask("DELETE", f"/v2/Services/{service.sid}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert service.sid not in [other.sid for other in services.list()]
    gone = services(service.sid)
    assert refused(gone.fetch) == GONE
    assert refused(lambda: gone.update(friendly_name="Back")) == GONE
    assert refused(gone.delete) == GONE
    assert refused(lambda: gone.verifications.create(to=number, channel="sms")) == GONE
    check = gone.verification_checks.create
    assert refused(lambda: check(verification_sid=started.sid, code=own_served.provider.code(number))) == GONE


def test_the_words_of_a_service(own_served, services):
    service = services.create(friendly_name="Corner Shop")
    number = own_served.number()
    create = services(service.sid).verifications.create
    create(to=number, channel="sms")
    text = f"Your Corner Shop verification code is: {own_served.provider.code(number)}"
    assert own_served.provider.messages[-1].form["Body"] == text
    service.update(do_not_share_warning_enabled=True)
    create(to=number, channel="sms")
    assert own_served.provider.messages[-1].form["Body"] == f"{text}. Do not share it with anyone."
