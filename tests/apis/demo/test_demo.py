"""/demo as the server answers it. What browsers make of it is in tests/pages."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest

from otp_app.apis import served
from otp_app.apis.demo import words
from otp_app.core.delivery import Delivery, Outcome, Reason
from otp_app.web.pages import SHARED
from tests.configuration import make_settings
from tests.web.site import api_key, wrong

KEYS = api_key("shop", "send+verify", "right")
PUBLIC = {"otp_public": "1", "otp_countries": "US"}


def post(site, step, headers=None, **fields):
    """A form of the page, as a browser without scripts sends it."""
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return site.call("POST", f"/demo/{step}", urlencode(fields).encode(), {**kind, **(headers or {})})


def id_in(answer):
    (found,) = re.findall('name="verification_id" value="([^"]*)"', answer.get_data(as_text=True))
    return found


def said(answer):
    """What the page says."""
    (found,) = re.findall('role="status">([^<]*)<', answer.get_data(as_text=True))
    return found


# ---- where it is served


@pytest.mark.parametrize(
    ("settings", "is_there"),
    [
        ({}, True), ({"otp_apis": "native,demo"}, True), ({"otp_apis": "users"}, False),
        ({"otp_api_keys": KEYS}, False), (PUBLIC, False), (PUBLIC | {"otp_apis": "native,demo"}, True),
    ],
)  # fmt: skip
def test_it_is_there_on_loopback_or_where_it_is_named(settings, is_there):
    assert ("demo" in served(make_settings(**settings))) == is_there


def test_a_server_that_others_reach_has_no_trace_of_it(open_site):
    site = open_site(otp_api_keys=KEYS)
    assert site.call("GET", "/demo", key="right").status_code == 404
    assert site.call("GET", "/").json["pages"] == {}


def test_other_machines_do_not_reach_it(site):
    assert site.call("GET", "/demo", REMOTE_ADDR="203.0.113.9").status_code == 403


def test_with_keys_alone_it_is_shut_and_says_what_to_do(open_site):
    """Browsers have no key. A person gets a page, the start a line, and nobody is led there."""
    site = open_site(otp_api_keys=KEYS, otp_apis="native,demo")
    for answer in site.call("GET", "/demo"), post(site, "send", phone_number=site.number()):
        assert (answer.status_code, answer.mimetype) == (401, "text/html")
        assert "OTP_API_KEYS" in answer.get_data(as_text=True)
        assert "<form" not in answer.get_data(as_text=True)
    assert site.channel.messages == []
    api = site.app.extensions["otp_apis"]["demo"]
    (line,) = api.advice(site.services.settings)
    assert line.startswith("OTP_APIS: /demo is off")
    assert site.call("GET", "/").json["pages"] == api.open_pages(site.services.settings) == {}
    assert 'href="/demo"' not in site.call("GET", "/", headers={"Accept": "text/html"}).get_data(as_text=True)
    public = make_settings(**PUBLIC, otp_apis="native,demo")
    assert (api.advice(public), list(api.open_pages(public))) == ([], ["/demo"])


def test_in_public_it_shows_nothing_that_needs_a_key(open_site):
    """A code can be sent and checked; what became of messages is for those who have a key."""
    site = open_site(**PUBLIC, otp_apis="native,demo")
    page = site.call("GET", "/demo").get_data(as_text=True)
    assert 'data-status=""' in page
    sent = post(site, "send", phone_number=site.number())
    assert "SMS: sent" not in sent.get_data(as_text=True)
    looked = post(site, "status", verification_id=id_in(sent))
    assert (looked.status_code, looked.mimetype) == (401, "text/html")
    assert "Only callers with an API key" in looked.get_data(as_text=True)
    assert said(post(site, "check", verification_id=id_in(sent), otp=site.code())) == words.APPROVED


def test_without_the_native_api_it_runs_no_script(open_all):
    """It has nothing to talk to; the forms work."""
    site = open_all(otp_apis=("users", "demo"))
    assert "<script" not in site.call("GET", "/demo").get_data(as_text=True)
    assert post(site, "send", phone_number=site.number()).status_code == 200


# ---- its forms


def test_a_code_is_sent_and_checked(site):
    sent = post(site, "send", phone_number=(number := site.number()))
    assert (sent.status_code, sent.mimetype) == (200, "text/html")
    assert said(sent) == f"We sent a code to +1*******{number[-3:]} by SMS."
    assert said(post(site, "check", verification_id=id_in(sent), otp=site.code())) == words.APPROVED
    assert "Start again" in post(site, "status", verification_id=id_in(sent)).get_data(as_text=True)


def test_a_wrong_code_leaves_the_step_and_counts(site):
    sent = post(site, "send", phone_number=site.number())
    for _ in range(5):
        answer = post(site, "check", verification_id=id_in(sent), otp=wrong(site.code()))
        assert (answer.status_code, said(answer), id_in(answer)) == (400, words.WRONG, id_in(sent))
    assert post(site, "check", verification_id=id_in(sent), otp=site.code()).status_code == 400
    assert said(post(site, "status", verification_id=id_in(sent))) == words.ENDED


def test_a_wrong_code_is_wrong_after_a_right_one_too(site):
    answer = post(site, "send", phone_number=site.number())
    code, id_ = site.code(), id_in(answer)
    assert post(site, "check", otp=code, verification_id=id_).status_code == 200
    answer = post(site, "check", otp=wrong(code), verification_id=id_)
    assert (answer.status_code, said(answer)) == (400, words.WRONG)


@pytest.mark.parametrize("text", ["Your code is: {}. It is valid for 5 minutes.", "{} is your code.", " {} "])
def test_a_whole_message_may_be_typed(site, text):
    """As the page says, which scripts do before it is sent."""
    answer = post(site, "send", phone_number=site.number())
    answer = post(site, "check", otp=text.format(site.code()), verification_id=id_in(answer))
    assert (answer.status_code, said(answer)) == (200, words.APPROVED)


def test_it_is_sent_again_when_the_limits_allow_it(site):
    sent = post(site, "send", phone_number=site.number())
    early = post(site, "send", verification_id=id_in(sent))
    assert (early.status_code, early.headers["Retry-After"], id_in(early)) == (429, "30", id_in(sent))
    assert said(early) == "We sent a code a moment ago. Try again in 30 s."
    site.clock.advance(31)
    assert id_in(post(site, "send", verification_id=id_in(sent))) == id_in(sent)
    assert len(site.channel.messages) == 2


def test_a_channel_can_be_chosen(open_site):
    site = open_site(otp_channels="tests.web.site:RecordingChannel,tests.web.site:OtherChannel")
    assert ">SMS, then WhatsApp</option>" in site.call("GET", "/demo").get_data(as_text=True)
    assert said(post(site, "send", phone_number=site.number(), channel="whatsapp")).endswith("by WhatsApp.")
    assert post(site, "send", phone_number=site.number(), channel="fax").status_code == 400


BAD = {
    "no number": ("send", {}, 400), "no phone": ("send", {"phone_number": "12"}, 400),
    "a landline": ("send", {"phone_number": "+442079460958"}, 400),
    "no code": ("check", {"verification_id": "VE1"}, 400),
    "no id": ("check", {"otp": "123456"}, 400), "an unknown id": ("send", {"verification_id": "VE" + "0" * 32}, 404),
    "another": ("status", {"verification_id": "nothing"}, 404), "none": ("status", {}, 400),
    "a wrong code of nothing": ("check", {"verification_id": "VE" + "0" * 32, "otp": "123456"}, 404),
}  # fmt: skip


@pytest.mark.parametrize(("step", "fields", "status"), BAD.values(), ids=BAD)
def test_what_cannot_be_done_is_said_on_the_page(site, step, fields, status):
    answer = post(site, step, **fields)
    assert (answer.status_code, answer.mimetype) == (status, "text/html")
    assert said(answer)
    assert site.channel.messages == []


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/demo/send", 405), ("GET", "/demo/nothing", 404)])
def test_other_paths_have_the_page_too(site, method, path, status):
    answer = site.call(method, path)
    assert (answer.status_code, answer.mimetype) == (status, "text/html")


@pytest.mark.parametrize("reason", Reason)
def test_a_refused_message_is_told(site, reason):
    site.channel.answers.append(Delivery(Outcome.REFUSED, reason=reason))
    answer = post(site, "send", phone_number=site.number())
    assert answer.status_code >= 400
    assert said(answer)


@pytest.mark.parametrize("body", [b"phone_number=%zz", b"a=1&a=2", b"\xff=1", b"x" * 9000])
def test_a_form_that_is_none_is_rejected(site, body):
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = site.call("POST", "/demo/send", body, kind)
    assert (400 <= answer.status_code < 500, answer.mimetype) == (True, "text/html")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:5001"])
@pytest.mark.parametrize("step", ["send", "check", "status"])
def test_another_site_cannot_use_its_forms(site, origin, step):
    """A browser names the origin of each form."""
    sent = post(site, "send", phone_number=site.number())
    fields = {"otp": site.code(), "verification_id": id_in(sent)}
    assert post(site, step, {"Origin": origin}, phone_number=site.number(), **fields).status_code == 403
    assert len(site.channel.messages) == 1
    assert post(site, "check", {"Origin": "http://127.0.0.1:5000"}, **fields).status_code == 200


def test_what_is_typed_is_no_markup(site):
    answer = post(site, "send", phone_number='"><script>alert(1)</script>')
    assert "<script>alert" not in answer.get_data(as_text=True)


@pytest.mark.parametrize("step", ["send", "check"])
def test_its_forms_count_as_requests_of_a_client(open_site, step):
    site = open_site(otp_client_limits="1/hour", otp_check_limits="1/hour")
    sent = post(site, "send", phone_number=site.number())
    fields = {"phone_number": site.number()} if step == "send" else {"verification_id": id_in(sent), "otp": "1234"}
    answers = [post(site, step, **fields) for _ in range(2)]
    assert (answers[1].status_code, answers[1].mimetype) == (429, "text/html")


def test_numbers_and_codes_are_in_no_log(site, caplog):
    caplog.set_level("DEBUG")
    sent = post(site, "send", phone_number=(number := site.number()))
    post(site, "check", verification_id=id_in(sent), otp=site.code())
    assert number[1:] not in caplog.text
    assert site.code() not in caplog.text


# ---- its words


def test_it_says_what_otp_js_says():
    """With and without scripts alike."""
    script = SHARED._found["otp.js"].content.decode()
    theirs = dict(re.findall(r'\b(\w+): "([^"]*)"', script.partition("const KINDS")[0]))
    ours = {"sent": words.SENT, "followed": words.FOLLOWED, "wrong": words.WRONG, "ended": words.ENDED,
            "approved": words.APPROVED, "lost": words.LOST, "error": words.ERROR, "later": f" {words.LATER}"}
    assert {name: theirs[name] for name in ours} == ours
    kinds = dict(re.findall(r'(\w+): "(good|bad)"', script))
    assert kinds == words.KINDS


@pytest.mark.parametrize(("seconds", "text"), [(30, "30 s"), (99, "99 s"), (100, "2 min"), (3600, "60 min")])
def test_seconds_are_said_as_people_do(seconds, text):
    assert words.span(seconds) == text
