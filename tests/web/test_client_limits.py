"""Limits per client: OTP_CLIENT_LIMITS for sends, OTP_CHECK_LIMITS for checks."""

import re

import pytest

from otp_app.core.errors import StoreUnavailable
from tests.web.site import api_key

KEY = api_key("shop", "send+verify", "shop secret")
PUBLIC = {"otp_public": "1", "otp_countries": "US"}
REMOTE = {"REMOTE_ADDR": "203.0.113.9"}


def statuses(calls):
    return [answer.status_code for answer in calls]


def test_a_client_has_its_sends_and_no_more(open_site):
    """OTP_CLIENT_LIMITS: the next send is 429 and says when to come back; another client goes on."""
    site = open_site(**PUBLIC, otp_client_limits="2/day")
    assert statuses([site.send(), site.send()]) == [200, 200]
    answer = site.send()
    assert (answer.status_code, answer.json["error_type"]) == (429, "too_many_requests")
    assert answer.headers["Retry-After"] == str(answer.json["retry_after"])
    assert 1 <= answer.json["retry_after"] <= 86_400
    assert site.send(**REMOTE).status_code == 200
    assert len(site.channel.messages) == 3


def test_a_client_limit_has_ratelimit_fields(open_site):
    """Any refusal for a limit has them, so that a client library need not know which limit it was."""
    site = open_site(otp_client_limits="1/day")
    site.send()
    answer = site.send()
    assert answer.headers["RateLimit-Policy"].endswith(";q=1;w=86400")
    assert re.fullmatch(f'"[a-z]+";r=0;t={answer.json["retry_after"]}', answer.headers["RateLimit"])


def test_resend_shares_the_limit_of_send(open_site):
    """They are one operation; the other name is no second allowance."""
    site = open_site(otp_client_limits="2/day")
    assert statuses([site.send(), site.post("/resend-otp", {"phone_number": site.number()})]) == [200, 200]
    assert statuses([site.send(), site.post("/resend-otp", {"phone_number": site.number()})]) == [429, 429]


def test_more_slashes_are_no_second_allowance(open_site):
    """Werkzeug drops them from the start of a path; here such a path does not exist."""
    site = open_site(otp_client_limits="1/day")
    assert statuses([site.send(), site.send(PATH_INFO="//send-otp")]) == [200, 404]


def test_of_several_limits_each_holds(open_site):
    site = open_site(otp_client_limits="5/hour;2/day")
    assert statuses([site.send() for _ in range(3)]) == [200, 200, 429]


def test_checks_have_a_limit_of_their_own(open_site):
    """OTP_CHECK_LIMITS counts checks, right and wrong, and no sends."""
    site = open_site(otp_check_limits="2/day", otp_client_limits="2/day")
    number = site.number()
    site.send(number)
    calls = [site.verify(number, "000000"), site.verify(number), site.verify(number)]
    assert statuses(calls) == [400, 200, 429]
    assert site.send().status_code == 200


def test_callers_with_a_key_are_exempt(open_site):
    """A keyed caller is a server with many users; the limits of numbers hold for it."""
    given = {"otp_client_limits": "1/day", "otp_check_limits": "1/day"}
    site = open_site(otp_api_keys=KEY, **given)
    assert statuses([site.send(key="shop secret") for _ in range(3)]) == [200] * 3
    assert statuses([site.verify(site.number(), "000000", key="shop secret") for _ in range(3)]) == [400] * 3


def test_refused_requests_count(open_site):
    """Trying out numbers costs as much as using them."""
    site = open_site(otp_client_limits="2/day")
    assert statuses([site.send("+1"), site.post("/send-otp", b"{"), site.send()]) == [400, 415, 429]


def test_behind_a_trusted_proxy_each_client_counts_alone(open_site):
    """And a header that the client wrote itself counts for nothing."""
    site = open_site(**PUBLIC, otp_trusted_proxies="127.0.0.1", otp_client_limits="1/day")
    forwarded = ("198.51.100.1", "198.51.100.2", "203.0.113.7, 198.51.100.1")
    assert statuses([site.send(headers={"X-Forwarded-For": by}) for by in forwarded]) == [200, 200, 429]


def test_unreadable_clients_are_one_client_and_not_the_proxy(open_site):
    """Another unreadable text is no fresh start, and the proxy's own requests are counted apart."""
    site = open_site(**PUBLIC, otp_trusted_proxies="127.0.0.1", otp_client_limits="1/day")
    forwarded = ("unknown", "_hidden", "", "999.1.1.1", "198.51.100.1:4711", "198.51.100.1")
    assert statuses([site.send(headers={"X-Forwarded-For": by}) for by in forwarded]) == [200, 429, 429, 429, 200, 429]
    assert site.send().status_code == 200


def test_no_limit_is_a_setting_too(open_site):
    site = open_site(otp_client_limits="", otp_check_limits="")
    assert set(statuses([site.send() for _ in range(25)])) == {200}


@pytest.mark.parametrize("only", ["otp_client_limits", "otp_check_limits"])
def test_each_limit_is_switched_off_alone(open_site, only):
    site = open_site(**{"otp_client_limits": "1/day", "otp_check_limits": "1/day", only: ""})
    site.send()
    site.verify(site.number(), "000000")
    refused = {"otp_client_limits": site.send(), "otp_check_limits": site.verify(site.number(), "000000")}
    assert [name for name, answer in refused.items() if answer.status_code != 429] == [only]


def test_a_store_that_goes_away_just_then_makes_no_500_of_a_429(open_site, monkeypatch):
    """Until when the client has to wait is known without asking the store again."""
    site = open_site(otp_client_limits="1/day")
    add = site.services.store.add

    def once(*arguments):
        monkeypatch.setattr(site.services.store, "add", down)
        return add(*arguments)

    def down(*_):
        raise StoreUnavailable

    site.send()
    monkeypatch.setattr(site.services.store, "add", once)
    answer = site.send()
    assert answer.status_code == 429
    assert 1 <= answer.json["retry_after"] <= 86_400


def test_a_limit_that_cannot_be_counted_refuses(site, monkeypatch):
    """Without its store the server answers 503, and does not count in memory instead."""

    def down(*_):
        raise StoreUnavailable

    monkeypatch.setattr(site.services.store, "add", down)
    answer = site.send()
    assert (answer.status_code, answer.json["error_type"]) == (503, "store_unavailable")
    assert answer.headers["Retry-After"] == "1"
    assert site.channel.messages == []
