"""Refusals as Twilio writes them: four fields, whatever was wrong and wherever it was found out."""

import re

import pytest
from twilio.base.exceptions import TwilioRestException

from tests.apis.verify_v2.clients.conftest import ACCOUNT, SERVICE, looks_like_twilios, serving_verify
from tests.apis.verify_v2.clients.dropin_check import refused

VERIFICATIONS = f"/v2/Services/{SERVICE}/Verifications"
CHECK = f"/v2/Services/{SERVICE}/VerificationCheck"
NUMBER = "+14155550199"
SEND = {"To": NUMBER, "Channel": "sms"}
JSON = {"Content-Type": "application/json"}
TEXT = {"Content-Type": "text/plain"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"Channel": "sms"}, "To"),
        ({"To": "", "Channel": "sms"}, "To"),
        ({"To": "12345", "Channel": "sms"}, "To"),
        ({"To": "+1415555", "Channel": "sms"}, "To"),
        ({"To": "somebody@example.com", "Channel": "sms"}, "To"),
        ({"To": NUMBER}, "Channel"),
        ({"To": NUMBER, "Channel": ""}, "Channel"),
        ({"To": NUMBER, "Channel": "pigeon"}, "Channel"),
        ({**SEND, "RateLimits": "{no json"}, "RateLimits"),
        ({**SEND, "RateLimits": "[1]"}, "RateLimits"),
        ({**SEND, "Tags": "{no json"}, "Tags"),
        ({**SEND, "Tags": '["spring"]'}, "Tags"),
        ({**SEND, "CustomCode": "123"}, "CustomCode"),
        ({**SEND, "CustomCode": "12345678901"}, "CustomCode"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_field_of_a_send(sqlite_served, fields, named):
    """60200, the message names the parameter, nothing is sent."""
    before = len(sqlite_served.provider.posts)
    body = looks_like_twilios(sqlite_served.ask("POST", VERIFICATIONS, data=fields), 400, 60200)
    assert named in body["message"]
    assert len(sqlite_served.provider.posts) == before


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"To": NUMBER}, 60200),
        ({"To": NUMBER, "Code": ""}, 60200),
        ({"To": NUMBER, "Code": "12"}, 60200),
        ({"To": NUMBER, "Code": "12345678901"}, 60200),
        ({"To": "12345", "Code": "123456"}, 60200),
        ({"Code": "123456"}, 60221),
    ],
)
def test_a_bad_field_of_a_check(sqlite_served, fields, code):
    """60200, or 60221 where nothing says which verification."""
    looks_like_twilios(sqlite_served.ask("POST", CHECK, data=fields), 400, code)


@pytest.mark.parametrize("status", [None, "", "pending", "expired", "nonsense"])
def test_a_bad_status(sqlite_served, status):
    """An update takes approved and canceled."""
    started, _ = sqlite_served.started()
    fields = {} if status is None else {"Status": status}
    answer = sqlite_served.ask("POST", f"{VERIFICATIONS}/{started.sid}", data=fields, headers=FORM)
    assert "Status" in looks_like_twilios(answer, 400, 60200)["message"]


@pytest.mark.parametrize(
    ("method", "path", "fields"),
    [
        ("GET", f"{VERIFICATIONS}/VE{'f' * 32}", None),
        ("GET", f"{VERIFICATIONS}/+14155550198", None),
        ("GET", f"{VERIFICATIONS}/nonsense", None),
        ("POST", f"{VERIFICATIONS}/VE{'f' * 32}", {"Status": "canceled"}),
        ("POST", CHECK, {"To": "+14155550198", "Code": "123456"}),
        ("POST", CHECK, {"VerificationSid": f"VE{'f' * 32}", "Code": "123456"}),
        ("POST", "/v2/Services/nonsense/Verifications", SEND),
        ("GET", "/v2/Nowhere", None),
        ("GET", f"/v2/Services/{SERVICE}/Nowhere", None),
        ("POST", f"{VERIFICATIONS}/a/b", SEND),
    ],
)
def test_what_is_not_there(sqlite_served, method, path, fields):
    """20404; the message names the path."""
    body = looks_like_twilios(sqlite_served.ask(method, path, data=fields), 404, 20404)
    assert re.fullmatch(r"The requested resource /\S+ was not found", body["message"])
    assert f"{path.removeprefix('/v2')} " in body["message"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda verify, service: verify.verification_attempts("VL" + "1" * 32).fetch(),
        lambda verify, service: verify.verification_attempts_summary().fetch(),
        lambda verify, service: verify.safelist.create(phone_number=NUMBER),
        lambda verify, service: service.rate_limits.create(unique_name="x"),
        lambda verify, service: service.rate_limits("RK" + "1" * 32).buckets("BL" + "1" * 32).fetch(),
        lambda verify, service: service.webhooks("YW" + "1" * 32).fetch(),
        lambda verify, service: service.entities("x").new_factors.create(friendly_name="x", factor_type="totp"),
        lambda verify, service: service.messaging_configurations("US").fetch(),
    ],
)
def test_what_is_not_offered_as_the_client_sees_it(sqlite_served, ask):
    """Its own exception with 20404, for resources of Twilio's that there are not."""
    verify = sqlite_served.client().verify.v2
    with pytest.raises(TwilioRestException) as caught:
        ask(verify, verify.services(SERVICE))
    assert (caught.value.status, caught.value.code) == (404, 20404)


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH"])
@pytest.mark.parametrize("path", [VERIFICATIONS, CHECK])
def test_a_method_that_is_not_offered(sqlite_served, method, path):
    """405 with Allow."""
    answer = sqlite_served.ask(method, path)
    looks_like_twilios(answer, 405, 20004)
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("credentials", [None, (ACCOUNT, "wrong"), ("AC" + "9" * 32, "faketoken"), (ACCOUNT, "")])
@pytest.mark.parametrize("path", [VERIFICATIONS, CHECK])
def test_credentials(sqlite_served, path, credentials):
    """20003 for wrong ones and for none, before anything else is looked at."""
    answer = sqlite_served.ask("POST", path, data={}, auth=credentials)
    looks_like_twilios(answer, 401, 20003)
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic QUM=", "Bearer faketoken", "Basic //79"])
def test_credentials_that_cannot_be_read(sqlite_served, header):
    """20003 as well."""
    answer = sqlite_served.ask("POST", VERIFICATIONS, data=SEND, headers={"Authorization": header}, auth=no_credentials)
    looks_like_twilios(answer, 401, 20003)


def no_credentials(request):
    """Let requests add no header of its own."""
    return request


def test_a_guesser_of_credentials(tmp_path):
    """429 where somebody goes on; the right credentials are taken as ever."""
    with serving_verify(tmp_path) as served:
        answers = [served.ask("POST", VERIFICATIONS, data=SEND, auth=(ACCOUNT, f"attempt{n}")) for n in range(12)]
        assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
        looks_like_twilios(answers[-1], 429, 20429)
        assert int(answers[-1].headers["Retry-After"]) > 0
        assert served.started()[0].status == "pending"


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"To=" + b"1" * 100_000, FORM, 413),
        (b'{"To": "+14155550199", "Channel": "sms"}', JSON, 415),
        (b"To=%2B14155550199&Channel=sms", TEXT, 415),
        (b"To=%2B14155550199&Channel=sms", {}, 415),
        (b"To=\xff\xfe&Channel=sms", FORM, 400),
        (b"To=%FF%FE&Channel=sms", FORM, 400),
        (b"To=%2B14155550199&Channel=sms%00", FORM, 400),
        (b"", FORM, 400),
        (b"=&&==&;", FORM, 400),
        (b"To=%2B14155550199&To=%2B14155550198&Channel=sms", FORM, 400),
    ],
    ids=["long", "json", "text", "no type", "bytes", "escaped bytes", "nul", "empty", "nonsense", "two numbers"],
)
def test_a_body_that_is_no_form(sqlite_served, body, headers, status):
    """The HTTP status says what is wrong, the body has Twilio's shape, and nothing is sent."""
    before = len(sqlite_served.provider.posts)
    looks_like_twilios(sqlite_served.ask("POST", VERIFICATIONS, data=body, headers=headers), status)
    assert len(sqlite_served.provider.posts) == before


@pytest.mark.parametrize("channel", ["call", "email", "sna"])
def test_a_channel_that_is_not_offered(sqlite_served, channel):
    """Twilio's other channels are no bad parameter: they are not switched on."""
    answer = sqlite_served.ask("POST", VERIFICATIONS, data={"To": NUMBER, "Channel": channel})
    looks_like_twilios(answer, 403, 60223)


@pytest.mark.parametrize("field", ["CustomMessage", "CustomFriendlyName", "TemplateSid", "AppHash", "Amount", "Payee"])
def test_a_field_that_would_change_the_message(sqlite_served, field):
    """60204 and no message, rather than another one than was asked for."""
    number = sqlite_served.number()
    answer = sqlite_served.ask("POST", VERIFICATIONS, data={"To": number, "Channel": "sms", field: "HJ" + "1" * 32})
    assert field in looks_like_twilios(answer, 403, 60204)["message"]
    assert sqlite_served.provider.code_for(number) is None


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [("+19005550199", 400, 60200), ("+493023125000", 403, 60205)],
    ids=["premium", "landline"],
)
def test_a_number_that_gets_no_codes(sqlite_served, number, status, code):
    """Fixed lines have an error of their own."""
    looks_like_twilios(sqlite_served.ask("POST", VERIFICATIONS, data=SEND | {"To": number}), status, code)


def test_the_other_apis_keep_their_words(sqlite_served):
    """What is not under /v2/ answers as it did."""
    answer = sqlite_served.ask("GET", "/nowhere")
    assert (answer.status_code, answer.json()["error_type"]) == (404, "not_found")


def test_refused_as_the_client_sees_it(sqlite_served):
    """The wrong token, through Twilio's client."""
    create = sqlite_served.client(secret="wrong").verify.v2.services(SERVICE).verifications.create
    assert refused(lambda: create(to=NUMBER, channel="sms")) == (401, 20003)
