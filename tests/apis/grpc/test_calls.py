"""What every call has beside its answer: an id, in the trailing metadata and the log, and in the history a key."""

import logging

import grpc
import pytest

from otp_app.core.errors import StoreUnavailable
from otp_app.system.logs import TextLines
from otp_app.web.client import is_id
from tests.apis.grpc.calling import OK
from tests.web.site import api_key

OWN = ("0123456789abcdef-own", "7c9e6679-7425-40de-944b-e07fc1f90ae7")
KEYS = f"{api_key('shop', 'send+verify', 'shop secret')},{api_key('app', 'send+verify', 'app secret')}"


@pytest.mark.parametrize("own", OWN)
def test_a_callers_own_id_comes_back(call_site, own):
    answer = call_site()[1]().send("+14155552671", **{"x-request-id": own})
    assert (answer.code, answer.details["x-request-id"]) == (OK, own)


@pytest.mark.parametrize(
    "given", ["short", "x" * 65, "with blanks in the middle", "+14155552671-abcdef", "a-123456-b-and-more"]
)
def test_what_may_be_a_number_or_a_code_or_is_no_id_is_replaced(call_site, given):
    """As over HTTP."""
    answer = call_site()[1]().send("+14155552671", **{"x-request-id": given})
    assert answer.details["x-request-id"] != given
    assert is_id(answer.details["x-request-id"])


def test_every_answer_has_an_id_of_its_own(call_site):
    """What is done, what is a status, and what is an error of the call."""
    site, client = call_site(otp_api_keys=KEYS)
    number, known = site.number(), client("shop secret")
    answers = [known.send(number), known.send(number), known.verify(number, "x"), client("wrong").send(number)]
    assert [answer.code for answer in answers] == [OK, OK, OK, grpc.StatusCode.UNAUTHENTICATED]
    assert len({answer.details["x-request-id"] for answer in answers}) == 4
    assert answers[0].details["verification_id"].startswith("VE")
    assert answers[1].details["error_type"] == "resend_too_soon"


def test_the_lines_of_the_log_have_it(call_site, caplog):
    """Those of its own call, and no line of the next."""
    caplog.set_level(logging.INFO, "otp_app")
    caplog.handler.setFormatter(TextLines())
    site, client = call_site()
    client().send(site.number(), **{"x-request-id": OWN[0]})
    client().send(site.number())
    first, second = [line for line in caplog.text.splitlines() if ": Sent " in line]
    assert first.endswith(f"request_id={OWN[0]}")
    assert "request_id=" in second
    assert OWN[0] not in second


def test_a_defect_is_logged_with_it(call_site, caplog, monkeypatch):
    caplog.handler.setFormatter(TextLines())
    site, client = call_site()
    monkeypatch.setattr(site.services.verifications, "send", lambda *_: 1 / 0)
    answer = client().send(site.number(), **{"x-request-id": OWN[1]})
    assert (answer.code, answer.details["x-request-id"]) == (grpc.StatusCode.INTERNAL, OWN[1])
    assert f"request_id={OWN[1]}" in caplog.text


def test_a_store_that_is_away_is_answered_with_it(call_site, monkeypatch):
    site, client = call_site()

    def away(*_):
        raise StoreUnavailable

    monkeypatch.setattr(site.services.verifications, "send", away)
    answer = client().send(site.number(), **{"x-request-id": OWN[0]})
    assert (answer.code, answer.details["x-request-id"]) == (grpc.StatusCode.UNAVAILABLE, OWN[0])


def test_the_history_knows_the_key_of_the_caller(call_site, tmp_path):
    """Each its own, whatever thread answered the one before."""
    site, client = call_site(otp_api_keys=KEYS, otp_history_url=f"sqlite:///{tmp_path}/history.db")
    for name in ("shop", "app", "shop"):
        sent = client(f"{name} secret").send(site.number())
        origin = site.services.verifications.status(sent.details["verification_id"]).verification.origin
        assert (origin.api, origin.key) == ("grpc", name)


def test_without_keys_the_history_has_none(call_site, tmp_path):
    site, client = call_site(otp_history_url=f"sqlite:///{tmp_path}/history.db")
    sent = client().send(site.number())
    origin = site.services.verifications.status(sent.details["verification_id"]).verification.origin
    assert (origin.api, origin.key) == ("grpc", "")
