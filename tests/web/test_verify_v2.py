"""Twilio's Verify v2 as a client of Twilio's meets it: the answers, the parameters, the refusals."""

import re
from collections import deque
from pathlib import Path

import pytest

from otp_app.core.errors import Busy, StoreUnavailable
from otp_app.core.interfaces import Delivery, Outcome, Reason
from otp_app.web.verify_v2 import parameters
from otp_app.web.verify_v2.errors import WORDS
from tests.web.house import OtherChannel, wrong
from tests.web.verify_house import ACCOUNT, DATE, KEY, OTHER, SERVICE, SETTINGS, TOKEN, Verify, basic, refused

TWO_CHANNELS = "tests.web.house:RecordingChannel,tests.web.house:OtherChannel"


@pytest.fixture
def open_verify(open_house):
    """Call it with settings to get a server with the Verify face."""
    return lambda **given: Verify(open_house(**SETTINGS | given))


@pytest.fixture
def verify(open_verify):
    """One with the usual settings."""
    return open_verify()


# ---- answers


def test_a_start(verify):
    """201 and every field of Twilio's, the number whole, dates as its clients read them."""
    number = verify.house.number()
    answer = verify.start(number)
    body = answer.json
    date, message = body["date_created"], verify.house.channel.messages[0]
    assert answer.status_code == 201
    assert body == {
        "sid": body["sid"],
        "service_sid": SERVICE,
        "account_sid": ACCOUNT,
        "to": number,
        "channel": "sms",
        "status": "pending",
        "valid": False,
        "lookup": {},
        "amount": None,
        "payee": None,
        "send_code_attempts": [{"time": date, "channel": "SMS", "attempt_sid": message.send_id}],
        "date_created": date,
        "date_updated": date,
        "sna": None,
        "url": f"http://127.0.0.1:5000/v2/Services/{SERVICE}/Verifications/{body['sid']}",
    }
    assert re.fullmatch("VE[0-9a-f]{32}", body["sid"])
    assert re.fullmatch(DATE, date)
    assert message.text == f"Your verification code is: {message.code}"


def test_another_start(verify):
    """The same verification and code, one attempt more, without a gap; the date of the change moves, the other not."""
    started, code = verify.started()
    verify.house.clock.advance(1)
    again = verify.start(started["to"]).json
    assert (again["sid"], again["date_created"]) == (started["sid"], started["date_created"])
    assert again["date_updated"] > started["date_updated"]
    assert len(again["send_code_attempts"]) == 2
    assert verify.house.code() == code


def test_an_api_key_answers_for_its_account(verify):
    """account_sid is the account's, whoever asks."""
    assert verify.start(headers=basic(KEY)).json["account_sid"] == ACCOUNT


def test_a_check(verify):
    """Wrong is pending and not valid, right is approved and valid; by number or SID, or both."""
    started, code = verify.started()
    failed = verify.check(wrong(code), To=started["to"])
    assert (failed.status_code, failed.json["status"], failed.json["valid"]) == (200, "pending", False)
    verify.house.clock.advance(5)
    done = verify.check(code, VerificationSid=started["sid"], To=started["to"])
    same = {name: started[name] for name in ("sid", "service_sid", "account_sid", "to", "channel", "date_created")}
    assert done.status_code == 200
    assert done.json == same | {
        "status": "approved",
        "valid": True,
        "amount": None,
        "payee": None,
        "date_updated": done.json["date_updated"],
        "sna_attempts_error_codes": [],
    }
    assert done.json["date_updated"] > started["date_updated"]


def test_a_sid_beside_another_number(verify):
    """Is no verification, and costs no guess."""
    started, code = verify.started()
    for _ in range(5):
        assert refused(verify.check(code, VerificationSid=started["sid"], To=verify.house.number())) == (404, 20404)
    assert verify.check(code, VerificationSid=started["sid"]).json["valid"] is True


def test_a_message_that_has_gone_is_told(verify, monkeypatch):
    """Though the store went away while it was sent: who heard of a failure would send again."""
    store, number = verify.house.services.store, verify.house.number()

    def go_away():
        for name in ("get", "swap"):
            monkeypatch.setattr(store, name, away)

    def away(*_):
        raise StoreUnavailable

    verify.house.channel.before = go_away
    answer = verify.start(number)
    assert (answer.status_code, answer.json["status"], answer.json["to"]) == (201, "pending", number)
    assert [attempt["channel"] for attempt in answer.json["send_code_attempts"]] == ["SMS"]


def test_once_a_code_is_accepted_nothing_can_fail(verify, monkeypatch):
    """A store that goes away right after the swap does not hide the approval."""
    started, code = verify.started()
    store = verify.house.services.store
    swap = store.swap

    def last(*what):
        done = swap(*what)
        monkeypatch.setattr(store, "get", away)
        monkeypatch.setattr(store, "swap", away)
        return done

    def away(*_):
        raise StoreUnavailable

    monkeypatch.setattr(store, "swap", last)
    assert verify.check(code, To=started["to"]).json["status"] == "approved"
    assert refused(verify.check(code, To=started["to"])) == (503, 20503)


def test_what_is_told_is_what_was_there(verify, monkeypatch):
    """When the code was looked at or the end came: the swap itself proves it, and nothing is read beside it."""
    (first, code), (second, _) = verify.started(), verify.started()
    store, calls = verify.house.services.store, []

    def counted(verb, do):
        return lambda *what: (calls.append(verb), do(*what))[1]

    for verb in ("get", "swap"):
        monkeypatch.setattr(store, verb, counted(verb, getattr(store, verb)))
    assert verify.fetch(first["to"]).json["status"] == "pending"
    assert calls == ["get"]
    for ended in (verify.check(code, To=first["to"]), verify.update(second["to"], "canceled")):
        assert ended.status_code == 200
    assert calls == ["get", "swap", "swap"]


def test_a_fetch_while_it_is_pending(verify):
    """By SID and by number, its plus as it is or escaped; afterwards there is none."""
    started, code = verify.started()
    for name in (started["sid"], started["to"], started["to"].replace("+", "%2B")):
        assert verify.fetch(name).json == started
    assert verify.check(code, To=started["to"]).json["status"] == "approved"
    for name in (started["sid"], started["to"], "nonsense", "VE" + "0" * 32):
        assert refused(verify.fetch(name)) == (404, 20404)


def test_a_fetch_after_too_many_guesses(verify):
    """Tells so."""
    started, code = verify.started()
    for _ in range(5):
        verify.check(wrong(code), To=started["to"])
    assert verify.fetch(started["sid"]).json["status"] == "max_attempts_reached"


@pytest.mark.parametrize("name", ["sid", "to"])
@pytest.mark.parametrize(("status", "valid"), [("canceled", False), ("approved", True)])
def test_an_update(verify, name, status, valid):
    """Ends a pending one, once, and its code is no good any more."""
    started, code = verify.started()
    verify.house.clock.advance(5)
    ended = verify.update(started[name], status)
    assert (ended.status_code, ended.json["status"], ended.json["valid"]) == (200, status, valid)
    assert ended.json["sid"] == started["sid"]
    assert ended.json["date_updated"] > started["date_updated"]
    assert refused(verify.update(started[name], status)) == (404, 20404)
    assert refused(verify.check(code, To=started["to"])) == (404, 20404)


@pytest.mark.parametrize("status", ["", "pending", "Approved"])
def test_an_update_to_anything_else(verify, status):
    """Is no update."""
    started, _ = verify.started()
    assert refused(verify.update(started["sid"], status)) == (400, 60200)
    assert verify.fetch(started["sid"]).json["status"] == "pending"


def test_a_message_that_was_refused_is_no_attempt(open_verify):
    """Of two channels only the one that took it is told."""
    verify = open_verify(otp_channels=TWO_CHANNELS)
    verify.house.channel.answers = deque([Delivery(Outcome.REFUSED, reason=Reason.UNREACHABLE)])
    started = verify.start(channel="auto").json
    assert [attempt["channel"] for attempt in started["send_code_attempts"]] == ["WHATSAPP"]
    assert started["channel"] == "whatsapp"


def test_the_sixth_guess(verify):
    """Five are looked at and told as pending; then 60202, for the right one too."""
    started, code = verify.started()
    assert [verify.check(wrong(code), To=started["to"]).json["status"] for _ in range(5)] == ["pending"] * 5
    for how in ({"To": started["to"]}, {"VerificationSid": started["sid"]}):
        assert refused(verify.check(code, **how)) == (429, 60202)


def test_after_too_many_guesses_another_one_begins(verify):
    """With the next message, at once: the credentials vouch for the caller."""
    started, code = verify.started()
    for _ in range(5):
        verify.check(wrong(code), To=started["to"])
    again = verify.start(started["to"])
    assert (again.status_code, again.json["sid"] != started["sid"]) == (201, True)
    assert verify.check(verify.house.code(), To=started["to"]).json["valid"] is True


def test_the_sixth_message(verify):
    """60203 with when to come back."""
    number = verify.house.number()
    assert [verify.start(number).status_code for _ in range(5)] == [201] * 5
    answer = verify.start(number)
    assert refused(answer) == (429, 60203)
    assert answer.json["details"] == {"retry_after": int(answer.headers["Retry-After"])}


def test_another_service(verify):
    """Knows nothing of a verification: not by SID, not by number."""
    started, code = verify.started()
    for name in (started["sid"], started["to"]):
        assert refused(verify.fetch(name, OTHER)) == (404, 20404)
        assert refused(verify.update(name, "approved", OTHER)) == (404, 20404)
    for how in ({"To": started["to"]}, {"VerificationSid": started["sid"]}):
        assert refused(verify.check(code, OTHER, **how)) == (404, 20404)
    assert verify.check(code, To=started["to"]).json["valid"] is True


def test_a_service_that_there_is_not(verify):
    """Is not found, whatever is asked of it."""
    number, gone = verify.house.number(), "VA" + "3" * 32
    answers = [
        verify.start(service=gone),
        verify.check("123456", gone, To=number),
        verify.fetch(number, gone),
        verify.update(number, "canceled", gone),
    ]
    assert [refused(answer) for answer in answers] == [(404, 20404)] * 4
    assert verify.house.channel.messages == []


def test_a_configured_service_shares_its_purpose(verify):
    """Its name is the purpose: the native face takes the code."""
    started, code = verify.started()
    assert verify.house.verify(started["to"], code).status_code == 200


# ---- channels


@pytest.mark.parametrize("channel", ["call", "email", "sna", "whatsapp"])
def test_a_channel_that_is_not_served(verify, channel):
    """Twilio's word, not switched on here."""
    answer = verify.start(channel=channel)
    assert refused(answer) == (403, 60223)
    assert channel.upper() in answer.json["message"]


@pytest.mark.parametrize("channel", ["", "pigeon", "SMS", "console", "tests.web.house:RecordingChannel"])
def test_a_word_that_is_no_channel(verify, channel):
    """Not Twilio's, whatever it may be here."""
    answer = verify.start(channel=channel)
    assert refused(answer) == (400, 60200)
    assert "Channel" in answer.json["message"]


def test_the_channel_is_the_callers_choice(open_verify):
    """Only the named one is used; auto is the server's order."""
    verify = open_verify(otp_channels=TWO_CHANNELS)
    sms, whatsapp = verify.house.services.channels
    assert isinstance(whatsapp, OtherChannel)
    assert verify.start(channel="whatsapp").json["channel"] == "whatsapp"
    assert (len(sms.messages), len(whatsapp.messages)) == (0, 1)
    assert verify.start(channel="auto").json["channel"] == "sms"
    assert (len(sms.messages), len(whatsapp.messages)) == (1, 1)


def test_each_attempt_keeps_its_channel(open_verify):
    """Whatever was asked for later."""
    verify = open_verify(otp_channels=TWO_CHANNELS)
    started = verify.start().json
    again = verify.start(started["to"], "whatsapp").json
    assert [attempt["channel"] for attempt in again["send_code_attempts"]] == ["SMS", "WHATSAPP"]
    assert (started["channel"], again["channel"]) == ("sms", "whatsapp")


def test_the_console_beside_others_stands_in_for_none(open_verify):
    """SMS is SMS where there is SMS."""
    verify = open_verify(otp_channels="console,tests.web.house:RecordingChannel", otp_verify_accounts="")
    assert verify.start().status_code == 201
    assert len(verify.house.services.channels[1].messages) == 1
    assert refused(verify.start(channel="whatsapp")) == (403, 60223)


@pytest.mark.parametrize(("asked", "told"), [("sms", "sms"), ("whatsapp", "whatsapp"), ("auto", "sms")])
def test_the_console_stands_in(open_verify, capsys, asked, told):
    """Where it is all there is, as in a test run: the answer has Twilio's words."""
    verify = open_verify(otp_channels="console", otp_verify_accounts="")
    started = verify.start(channel=asked).json
    assert started["to"] in capsys.readouterr().out
    assert (started["channel"], started["send_code_attempts"][0]["channel"]) == (told, told.upper())
    assert verify.fetch(started["sid"]).json["channel"] == "sms"


# ---- parameters


@pytest.mark.parametrize(
    "form",
    [
        {"Locale": "de"},
        {"RiskCheck": "enable"},
        {"RiskCheck": "disable"},
        {"DeviceIp": "203.0.113.7"},
        {"DeviceIp": "2001:db8::1"},
        {"Tags": '{"campaign":"spring"}'},
        {"Tags": "{}"},
        {"RateLimits": '{"end_user_ip_address":"203.0.113.7"}'},
        {"SendDigits": "ww1"},
        {"EnableSnaClientToken": "true"},
        {"TemplateSid": "", "CustomCode": "", "Tags": "", "Locale": ""},
        {"NobodyKnows": "this"},
    ],
    ids=str,
)
def test_parameters_that_change_nothing(verify, form):
    """Are taken."""
    assert verify.start(**form).status_code == 201


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Locale", "not a tag"),
        ("RiskCheck", "perhaps"),
        ("DeviceIp", "nowhere"),
        ("Tags", "{"),
        ("Tags", "[]"),
        ("Tags", '{"a":1}'),
        ("Tags", '{"a":"b","a":"c"}'),
        ("Tags", "{" + ",".join(f'"{n}":"x"' for n in range(11)) + "}"),
        ("Tags", f'{{"a":"{"x" * 129}"}}'),
        ("Tags", f'{{"{"x" * 129}":"a"}}'),
        ("Tags", "[" * 2000),
        ("RateLimits", "{"),
        ("RateLimits", '"a"'),
        ("RateLimits", '{"a":{}}'),
        ("CustomCode", "123"),
        ("CustomCode", "12345678901"),
        ("CustomCode", "abcdef"),
    ],
)
def test_parameters_that_twilio_would_refuse(verify, name, value):
    """60200 with the parameter's name, and nothing is sent."""
    answer = verify.start(**{name: value})
    assert refused(answer) == (400, 60200)
    assert answer.json["message"] == f"Invalid parameter: {name}"
    assert verify.house.channel.messages == []


@pytest.mark.parametrize(
    "name",
    [
        "AppHash", "ChannelConfiguration", "CustomFriendlyName", "CustomMessage", "TemplateSid",
        "TemplateCustomSubstitutions", "Templates", "Amount", "Payee",
    ],
)  # fmt: skip
def test_parameters_for_what_is_not_done(verify, name):
    """60204: a message that is not what was asked for would be worse than none."""
    answer = verify.start(**{name: "1"})
    assert refused(answer) == (403, 60204)
    assert name in answer.json["message"]
    assert verify.house.channel.messages == []


@pytest.mark.parametrize("name", ["Amount", "Payee"])
def test_a_payment_is_not_approved(verify, name):
    """A code was not bound to an amount, so no check says it was; no guess is spent."""
    started, code = verify.started()
    assert refused(verify.check(code, To=started["to"], **{name: "1"})) == (403, 60204)
    assert verify.check(code, To=started["to"]).json["valid"] is True


def test_a_code_of_the_callers_own(open_verify):
    """60204 until the service allows it; then it is the one that is sent, in place of a pending one's too."""
    verify = open_verify(otp_verify_services="")
    service = verify.house.services.verify_services.create(name="Shop")
    number = verify.house.number()
    assert refused(verify.start(number, CustomCode="8642", service=service.sid)) == (403, 60204)
    verify.house.services.verify_services.update(service.sid, custom_code=True)
    first = verify.start(number, service=service.sid).json
    again = verify.start(number, CustomCode="86421357", service=service.sid).json
    assert (again["sid"], verify.house.code()) == (first["sid"], "86421357")
    assert verify.check("86421357", service.sid, To=number).json["valid"] is True


def test_the_language_of_the_message(open_verify):
    """Locale is obeyed where the operator has words for it."""
    verify = open_verify(otp_messages={"de": "Dein Code: {code}"})
    verify.start(Locale="de")
    assert verify.house.channel.messages[-1].text == f"Dein Code: {verify.house.code()}"


def test_a_service_of_its_own_figures(open_verify):
    """As long as it wants, its name in the text, with the warning."""
    verify = open_verify(otp_verify_services="")
    service = verify.house.services.verify_services.create(name="Shop", code_length=8, do_not_share=True)
    verify.start(service=service.sid)
    message = verify.house.channel.messages[-1]
    assert re.fullmatch("[0-9]{8}", message.code)
    assert message.text.startswith(f"Your Shop verification code is: {message.code}. ")


@pytest.mark.parametrize("code", ["", "123", "12345678901", "12345a", "\uff11" * 6, " 123456"])
def test_what_is_no_code(verify, code):
    """60200, and it costs no guess."""
    started, right = verify.started()
    for _ in range(6):
        assert refused(verify.check(code, To=started["to"])) == (400, 60200)
    assert verify.check(right, To=started["to"]).json["valid"] is True


def test_a_code_of_another_length_is_a_guess(verify):
    """Counted, like any wrong one."""
    started, right = verify.started()
    for _ in range(5):
        assert verify.check("1234", To=started["to"]).json["status"] == "pending"
    assert refused(verify.check(right, To=started["to"])) == (429, 60202)


def test_nobody_said_which(verify):
    """Neither number nor SID."""
    assert refused(verify.check("123456")) == (400, 60221)
    assert refused(verify.check("123456", To="", VerificationSid="")) == (400, 60221)


# ---- refusals


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        ("", 400, 60200),
        ("12345", 400, 60200),
        ("somebody@example.com", 400, 60200),
        ("+19005550199", 400, 60200),
        ("+390612345678", 403, 60205),
    ],
)
def test_numbers_that_get_no_code(verify, number, status, code):
    """Not a number, a premium one, a fixed line."""
    answer = verify.ask("POST", "/Verifications", {"To": number, "Channel": "sms"})
    assert refused(answer) == (status, code)
    assert re.match("Invalid parameter: To must|SMS is not", answer.json["message"])


def test_a_country_that_is_not_served(open_verify):
    """60605."""
    assert refused(open_verify(otp_countries="DE").start("+14155552671")) == (403, 60605)


REASONS = {
    Reason.BAD_NUMBER: (400, 60200),
    Reason.BLOCKED: (403, 60605),
    Reason.SUSPICIOUS: (403, 60410),
    Reason.OPTED_OUT: (400, 21610),
    Reason.THROTTLED: (503, 20503),
    Reason.ACCOUNT: (503, 20503),
    Reason.AUTH: (503, 20503),
    Reason.UNREACHABLE: (503, 20503),
    Reason.FAILED: (503, 20503),
}


@pytest.mark.parametrize("reason", Reason)  # all of them: a new one is thought of
def test_what_the_provider_refuses(verify, reason):
    """What is about the number is told as Twilio would; the rest is the server's trouble, not the caller's."""
    verify.house.channel.answers = deque([Delivery(Outcome.REFUSED, reason=reason)])
    answer = verify.start()
    assert refused(answer) == REASONS[reason]
    assert answer.headers.get("Retry-After") == ("5" if answer.status_code == 503 else None)
    assert ("parameter: To is" in answer.json["message"]) is (reason == Reason.BAD_NUMBER)


def test_no_clear_answer_of_the_provider(verify):
    """The message may arrive, so the verification is pending."""
    verify.house.channel.answers = deque([Delivery(Outcome.UNKNOWN)])
    assert verify.start().status_code == 201
    assert verify.check(verify.house.code(), To=verify.house.channel.messages[-1].to).json["valid"] is True


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


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(StoreUnavailable(), 503, 20503), (Busy("at once", 1.0), 429, 60212), (ZeroDivisionError("secret"), 500, 20500)],
    ids=["away", "busy", "defect"],
)
def test_troubles_of_the_server(verify, monkeypatch, error, status, code):
    """In Twilio's shape as well, and nothing of a defect is shown."""
    started, right = verify.started()

    def fail(*_):
        raise error

    monkeypatch.setattr(verify.house.services.store, "swap", fail)
    answers = [
        verify.start(started["to"]),
        verify.check(right, To=started["to"]),
        verify.update(started["sid"], "canceled"),
    ]
    assert [refused(answer) for answer in answers] == [(status, code)] * 3
    assert not any("secret" in answer.get_data(as_text=True) for answer in answers)
    assert ("Retry-After" in answers[0].headers) is (status != 500)


@pytest.mark.parametrize(
    "headers",
    [{}, basic(ACCOUNT, "wrong"), basic("AC" + "c" * 32), basic("somebody"), {"Authorization": f"Bearer {TOKEN}"}],
)
def test_credentials(verify, headers):
    """20003 with what is wanted, for every door and before anything is looked at."""
    doors = [
        ("POST", "/Verifications"), ("POST", "/VerificationCheck"), ("GET", "/Verifications/x"),
        ("POST", "/Verifications/x"), ("GET", ""), ("POST", ""), ("DELETE", ""),
    ]  # fmt: skip
    for method, path in doors:
        answer = verify.ask(method, path, headers=headers)
        assert refused(answer) == (401, 20003)
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_without_accounts_some_credentials_must_be_shown(open_verify):
    """A page in a browser can post a form here, but not this header."""
    verify = open_verify(otp_verify_accounts="")
    assert refused(verify.start(headers={})) == (401, 20003)
    assert verify.start(headers=basic(ACCOUNT, "anything")).json["account_sid"] == ACCOUNT


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v2/", 404, 20404),
        ("GET", "/v2/nowhere", 404, 20404),
        ("POST", f"/v2/Services/{SERVICE}/RateLimits", 404, 20404),
        ("GET", f"/v2/Services/{SERVICE}/Verifications/a/b", 404, 20404),
        ("GET", f"/v2/Services/{SERVICE}/VerificationCheck", 405, 20004),
        ("PUT", f"/v2/Services/{SERVICE}", 405, 20004),
    ],
)
def test_what_is_not_there(verify, method, path, status, code):
    """Told in Twilio's words, by path without the version; 405 says what there is."""
    answer = verify.house.call(method, path, headers=basic())
    assert refused(answer) == (status, code)
    if status == 404:
        assert answer.json["message"] == f"The requested resource {path.removeprefix('/v2')} was not found"
    else:
        assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{}", "application/json", 415),
        (b"To=1" + b"1" * 8192, "application/x-www-form-urlencoded", 413),
        (b"To=1&To=2", "application/x-www-form-urlencoded", 400),
    ],
)
@pytest.mark.parametrize("path", ["/Verifications", "/VerificationCheck", "/Verifications/x", ""])
def test_bodies_that_are_no_forms(verify, path, body, content_type, status):
    """20001, the HTTP status as exact as it can be."""
    headers = basic() | {"Content-Type": content_type}
    answer = verify.house.post(f"/v2/Services/{SERVICE}{path}", body, headers=headers)
    assert refused(answer) == (status, 20001)


def test_a_host_that_is_none_of_ours(verify):
    """Also in this shape."""
    answer = verify.ask("GET", "", headers=basic() | {"Host": "elsewhere.example"})
    assert refused(answer) == (400, 20001)


def test_other_faces_keep_their_words(verify):
    """Only what is under /v2/ is translated."""
    assert verify.house.call("GET", "/v2x").json["error_type"] == "not_found"
    assert verify.house.send("12345").json["error_type"] == "invalid_phone"


def test_a_face_that_is_not_served(open_house):
    """Leaves its paths to the native words."""
    answer = open_house().call("POST", f"/v2/Services/{SERVICE}/Verifications", b"", basic())
    assert answer.json["error_type"] == "not_found"


def test_the_page_names_all_refusals_and_parameters():
    """docs/verify-v2.md is where an application's author looks."""
    page = (Path(__file__).parents[2] / "docs" / "verify-v2.md").read_text(encoding="utf-8")
    not_done = (*parameters.NOT_IN_A_START, *parameters.NOT_IN_A_CHECK, *parameters.NOT_IN_A_SERVICE)
    rows = [f"| {number} | {status}" for number, (status, _) in WORDS.items()]
    assert [row for row in rows if row not in page] == []
    assert [name for name in not_done if f"`{name}`" not in page] == []
