"""Twilio's Verify v2 as a client of Twilio's meets it: what it refuses, in Twilio's words."""

import re
from collections import deque

import pytest

from otp_app.apis.verify_v2 import parameters
from otp_app.apis.verify_v2.errors import WORDS
from otp_app.core.delivery import Delivery, Outcome, Reason
from otp_app.core.errors import Busy, StoreUnavailable
from tests.apis.verify_v2.site import ACCOUNT, ACCOUNTS, SERVICE, basic, refused
from tests.running import ROOT
from tests.web.site import wrong


@pytest.mark.parametrize(("number", "status", "code"), [
    ("", 400, 60200), ("12345", 400, 60200), ("somebody@example.com", 400, 60200), ("+19005550199", 400, 60200),
    ("+390612345678", 403, 60205),
])  # fmt: skip
def test_numbers_that_get_no_code(verify, number, status, code):
    """Not a number, a premium one, a fixed line."""
    answer = verify.ask("POST", "/Verifications", {"To": number, "Channel": "sms"})
    assert refused(answer) == (status, code)
    assert re.match("Invalid parameter: To must|SMS is not", answer.json["message"])


def test_a_country_that_is_not_served(open_verify):
    """60605."""
    assert refused(open_verify(otp_countries="DE").start("+14155552671")) == (403, 60605)


REASONS = {
    Reason.BAD_NUMBER: (400, 60200), Reason.BLOCKED: (403, 60605), Reason.SUSPICIOUS: (403, 60410),
    Reason.OPTED_OUT: (400, 21610), Reason.THROTTLED: (503, 20503), Reason.ACCOUNT: (503, 20503),
    Reason.AUTH: (503, 20503), Reason.UNREACHABLE: (503, 20503), Reason.FAILED: (503, 20503),
}  # fmt: skip


@pytest.mark.parametrize("reason", Reason)  # all of them: a new one is thought of
def test_what_the_provider_refuses(verify, reason):
    """What is about the number is reported as Twilio would; the rest is the server's trouble, not the caller's.

    Where only a person can mend it, nothing says when to come back.
    """
    verify.site.channel.answers = deque([Delivery(Outcome.REFUSED, reason=reason)])
    answer = verify.start()
    assert refused(answer) == REASONS[reason]
    wait = 5 if answer.status_code == 503 and reason not in (Reason.ACCOUNT, Reason.AUTH) else None
    assert answer.headers.get("Retry-After") == (str(wait) if wait else None)
    assert answer.json.get("details") == ({"retry_after": wait} if wait else None)
    assert ("parameter: To is" in answer.json["message"]) is (reason == Reason.BAD_NUMBER)
    assert refused(verify.fetch(verify.site.channel.messages[-1].to)) == (404, 20404)


def test_no_clear_answer_of_the_provider(verify):
    """The message may arrive, so the verification is pending."""
    verify.site.channel.answers = deque([Delivery(Outcome.UNKNOWN)])
    assert verify.start().status_code == 201
    assert verify.check(verify.site.code(), To=verify.site.channel.messages[-1].to).json["valid"] is True


def test_the_limit_of_a_client(open_verify):
    """Without accounts, on this machine: 20429 with when to come back and which limit it was."""
    verify = open_verify(otp_client_limits="2/minute", otp_verify_accounts="")
    assert [verify.start().status_code for _ in range(2)] == [201, 201]
    answer = verify.start()
    assert refused(answer) == (429, 20429)
    assert int(answer.headers["Retry-After"]) == answer.json["details"]["retry_after"] > 0
    assert answer.headers["Twilio-Reached-Rate-Limit"] == "client"


def test_the_limit_of_a_number(open_verify):
    """After too many wrong codes, for callers that anybody could be: 20429 as well, of the number."""
    verify = open_verify(otp_verify_accounts="")
    started, code = verify.started()
    for _ in range(5):
        verify.check(wrong(code), To=started["to"])
    answer = verify.start(started["to"])
    assert refused(answer) == (429, 20429)
    assert answer.headers["Twilio-Reached-Rate-Limit"] == "number"


@pytest.mark.parametrize(("error", "status", "code"), [
    (StoreUnavailable(), 503, 20503), (Busy("at once", 1.0), 429, 60212), (ZeroDivisionError("secret"), 500, 20500),
], ids=["away", "busy", "defect"])  # fmt: skip
def test_troubles_of_the_server(verify, monkeypatch, error, status, code):
    """In Twilio's shape as well, and nothing of a defect is shown."""
    started, right = verify.started()

    def fail(*_):
        raise error

    monkeypatch.setattr(verify.site.services.store, "swap", fail)
    answers = [
        verify.start(started["to"]),
        verify.check(right, To=started["to"]),
        verify.update(started["sid"], "canceled"),
    ]
    assert [refused(answer) for answer in answers] == [(status, code)] * 3
    assert not any("secret" in answer.get_data(as_text=True) for answer in answers)
    assert ("Retry-After" in answers[0].headers) is (status != 500)


@pytest.mark.parametrize("headers", [{}, basic(ACCOUNT, "wrong")])
def test_credentials(verify, headers):
    """20003 with what is wanted, for every route and before anything is looked at."""
    routes = [
        ("POST", "/Verifications"), ("POST", "/VerificationCheck"), ("GET", "/Verifications/x"),
        ("POST", "/Verifications/x"), ("GET", ""), ("POST", ""), ("DELETE", ""),
    ]  # fmt: skip
    for method, path in routes:
        answer = verify.ask(method, path, headers=headers)
        assert refused(answer) == (401, 20003)
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")


ELSEWHERE = ("Templates", "Forms/x", "SafeList/Numbers", "Services/")
BELOW_A_SERVICE = ("Webhooks", "Entities/x/Factors", "AccessTokens", "RateLimits/x/Buckets", "é")


@pytest.mark.parametrize(("method", "path", "status", "code"), [
    ("GET", "/v2", 404, 20404), ("GET", "/v2/", 404, 20404),
    *(("GET", f"/v2/{path}", 404, 20404) for path in ELSEWHERE),
    *(("POST", f"/v2/Services/{SERVICE}/{path}", 404, 20404) for path in BELOW_A_SERVICE),
    ("GET", "/v2/nowhere", 404, 20404), ("POST", f"/v2/Services/{SERVICE}/RateLimits", 404, 20404),
    ("GET", f"/v2/Services/{SERVICE}/Verifications/a/b", 404, 20404),
    ("GET", f"/v2/Services/{SERVICE}/Verifications/VE{'f' * 32}", 404, 20404),
    ("GET", f"/v2/Services/{SERVICE}/VerificationCheck", 405, 20004), ("PUT", f"/v2/Services/{SERVICE}", 405, 20004),
])  # fmt: skip
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "beside all others"])
def test_what_is_not_there(open_site, open_all, alone, method, path, status, code):
    """Reported in Twilio's words, by path without the version, whatever else is served; 405 says what there is."""
    site = open_site(otp_apis="verify_v2") if alone else open_all(otp_verify_accounts=ACCOUNTS)
    answer = site.call(method, path, headers=basic())
    assert refused(answer) == (status, code)
    if status == 404:
        assert answer.json["message"] == f"The requested resource {path.removeprefix('/v2')} was not found"
    else:
        assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize(("body", "content_type", "status"), [
    (b"{}", "application/json", 415), (b"To=%2B14155550199&Channel=sms", "text/plain", 415),
    (b"To=\xff&Channel=sms", "application/x-www-form-urlencoded", 400),
    (b"To=1" + b"1" * 8192, "application/x-www-form-urlencoded", 413),
    (b"To=1&To=2", "application/x-www-form-urlencoded", 400),
])  # fmt: skip
@pytest.mark.parametrize("path", ["/Verifications", "/VerificationCheck", "/Verifications/x", ""])
def test_bodies_that_are_no_forms(verify, path, body, content_type, status):
    """20001, the HTTP status as exact as it can be."""
    headers = basic() | {"Content-Type": content_type}
    answer = verify.site.post(f"/v2/Services/{SERVICE}{path}", body, headers=headers)
    assert refused(answer) == (status, 20001)


def test_a_host_that_is_none_of_ours(verify):
    answer = verify.ask("GET", "", headers=basic() | {"Host": "elsewhere.example"})
    assert refused(answer) == (400, 20001)


def test_other_apis_keep_their_words(verify):
    assert verify.site.call("GET", "/v2x").json["error_type"] == "not_found"
    assert verify.site.send("12345").json["error_type"] == "invalid_phone"


def test_an_api_that_is_not_served(open_site):
    answer = open_site().call("POST", f"/v2/Services/{SERVICE}/Verifications", b"", basic())
    assert answer.json["error_type"] == "not_found"


def test_the_page_names_all_refusals_and_parameters():
    """docs/verify-v2.md is where an application's author looks."""
    page = (ROOT / "docs" / "verify-v2.md").read_text(encoding="utf-8")
    not_done = (*parameters.NOT_IN_A_START, *parameters.NOT_IN_A_CHECK, *parameters.NOT_IN_A_SERVICE)
    rows = [f"| {number} | {status}" for number, (status, _) in WORDS.items()]
    assert [row for row in rows if row not in page] == []
    assert [name for name in not_done if f"`{name}`" not in page] == []
