"""GET /openapi.json: every answer of the server is one that it tells of, with examples that are true."""


import pytest

import otp_app.accounts.errors  # noqa: F401 - its refusals count too
from otp_app.core.delivery import Delivery, Outcome, Reason
from otp_app.core.errors import ChannelDown, OtpError, StoreUnavailable
from otp_app.web.access import requires
from otp_app.web.rejections import REFUSED_STATUS, STATUS
from tests.web.documented import (
    ACCOUNTS,
    ENDPOINTS,
    KEYS,
    WHOLE,
    Endpoint,
    assert_documented,
    assert_fits,
    endpoints,
    endpoints_with_body,
    resolve,
)
from tests.web.site import wrong

# ---- examples


@endpoints
def test_every_example_is_what_it_is_an_example_of(endpoint):
    medias = [endpoint.media[1]] if endpoint.media else []
    for entry in endpoint.node["responses"].values():
        medias += resolve(WHOLE, entry).get("content", {}).values()
    for media in medias:
        assert media["examples"]
        for example in media["examples"].values():
            assert_fits(media["schema"], resolve(WHOLE, example)["value"])


@endpoints
def test_every_error_has_an_example(endpoint):
    """Of each error_type, or Twilio number, that its status can have."""
    for entry in endpoint.node["responses"].values():
        for media in resolve(WHOLE, entry).get("content", {}).values():
            properties = media["schema"].get("properties", {})
            kind = properties.get("error_type") or properties.get("code") or {}
            shown = [resolve(WHOLE, example)["value"] for example in media["examples"].values()]
            named = [value.get("error_type") or value.get("code") for value in shown if isinstance(value, dict)]
            assert set(named) == set(kind.get("enum") or ([kind["const"]] if kind else named))


@endpoints
def test_its_first_example_can_be_sent(everything, endpoint):
    answer = endpoint.ask(everything)
    assert answer.status_code not in (401, 405, 413, 415, 422, 500)
    assert_documented(endpoint, answer)


@endpoints_with_body
def test_all_examples_can_be_sent(everything, endpoint):
    """So are the others; each to a server that has not seen the number yet, or has."""
    for example in endpoint.bodies():
        assert_documented(endpoint, endpoint.ask(everything, example))


# ---- refusals


@endpoints
def test_it_promises_when_to_come_back(endpoint):
    """With every 429 and 503; Twilio's API has some without, and a fault that only a person can mend has none."""
    for status in {"429", "503"} & set(endpoint.node["responses"]):
        response = resolve(WHOLE, endpoint.node["responses"][status])
        header = resolve(WHOLE, response["headers"]["Retry-After"])
        without = endpoint.path.startswith("/v2/") or "provider_account" in str(response["content"])
        assert header.get("required") or without


@endpoints
def test_a_host_of_others_is_documented(unharmed, endpoint):
    assert_documented(endpoint, endpoint.ask(unharmed, HTTP_HOST="evil.example"), 400)


BODIES = {
    "no JSON": b"{", "no object": b"[]", "null": b"null",
    "wrong types": b'{"phone_number": 1, "otp": [], "user_id": {}, "passcode": 1.5, "session_token": true}',
    "empty texts": b'{"phone_number": "", "otp": "", "user_id": "", "passcode": "", "session_token": ""}',
    "no number": b'{"phone_number": "1", "otp": "1", "passcode": "x", "session_token": "x", "security_code": "x"}',
    "no UTF-8": b"\xff", "an escape that is none": b"To=%zz&Channel=sms&Code=123456", "a field twice": b"To=1&To=2",
    "unknown channel": b"To=%2B14155552671&Channel=call&Status=x&FriendlyName=",
    "what is not done": b"To=%2B14155552671&Channel=sms&Code=123456&Amount=1&LookupEnabled=true",
}  # fmt: skip


#: to them nothing is wrong with fields that they do not know, or with what is no number
LENIENT = {"changeService", "validatePhoneNumberLogin", "updateProfile", "logout", "listSessions", "listActivity"}


@endpoints_with_body
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_bad_body_is_documented(unharmed, endpoint, body):
    """Whatever is wrong with it. (A deletion without a code is no bad one: it asks for the code.)"""
    if endpoint.node["operationId"] == "deleteAccount" and body == BODIES["empty texts"]:
        return
    answer = endpoint.ask(unharmed, body)
    assert 400 <= answer.status_code <= 422 or endpoint.node["operationId"] in LENIENT
    assert_documented(endpoint, answer)


@endpoints_with_body
def test_a_large_body_is_documented(unharmed, endpoint):
    assert_documented(endpoint, endpoint.ask(unharmed, b" " * (9000 if "batch" not in endpoint.path else 300_000)), 413)


@endpoints_with_body
@pytest.mark.parametrize("how", [{"CONTENT_TYPE": "text/plain"}, {"HTTP_CONTENT_ENCODING": "br"}], ids=str)
def test_another_media_type_is_documented(unharmed, endpoint, how):
    assert_documented(endpoint, endpoint.ask(unharmed, **how), 415)


@pytest.mark.parametrize("endpoint", [each for each in ENDPOINTS if "401" in each.node["responses"]], ids=str)
def test_wrong_credentials_are_documented(open_all, endpoint):
    site = open_all(otp_api_keys=KEYS, otp_verify_accounts=ACCOUNTS)
    shown = {} if endpoint.path.startswith("/v2/") else {"Authorization": "Bearer wrong"}
    answers = [endpoint.ask(site, headers=shown) for _ in range(22)]  # the minute may change between them
    assert {answer.status_code for answer in answers} == {401, 429}
    for answer in answers[0], answers[-1]:
        assert_documented(endpoint, answer)


def test_a_store_that_is_away_is_documented(open_all, monkeypatch):
    site = open_all(otp_api_keys=KEYS, otp_verify_accounts=ACCOUNTS)

    def away(*_):
        raise StoreUnavailable

    for verb in ("get", "swap", "add", "ping"):
        monkeypatch.setattr(site.services.store, verb, away)
    for endpoint in [each for each in ENDPOINTS if "401" in each.node["responses"]]:
        shown = {} if endpoint.path.startswith("/v2/") else {"Authorization": "Bearer wrong"}
        assert_documented(endpoint, endpoint.ask(site, headers=shown), 503)


def test_a_defect_is_documented(everything):
    def defective(**_):
        raise KeyError("a defect")

    for endpoint, view in everything.app.view_functions.items():
        mark = requires(view.access.scope, credentials=view.access.credentials)
        everything.app.view_functions[endpoint] = mark(lambda **_: defective())
    for endpoint in ENDPOINTS:
        assert_documented(endpoint, endpoint.ask(everything), 500)


@endpoints
def test_a_limit_of_clients_is_documented(open_all, endpoint):
    site = open_all(otp_client_limits="1/hour", otp_check_limits="1/hour")
    answers = [endpoint.ask(site) for _ in range(2)]
    assert (answers[1].status_code == 429) == (endpoint.node["operationId"] in COUNTED)
    assert_documented(endpoint, answers[1])


COUNTED = {
    "sendOtp", "resendOtp", "verifyOtp", "sendCode", "verifyCode", "registerPhone", "verifyPhone", "startVerification",
    "checkVerification", "signupWithPhoneNumber", "verifyPhoneNumber", "loginWithPhoneNumber",
    "validatePhoneNumberLogin", "changePhoneNumber", "deleteAccount", "generateOtp", "awaitMessage",
}  # fmt: skip


# ---- what sends and checks can come to


SENDS = (
    "sendOtp", "resendOtp", "sendCode", "registerPhone", "startVerification", "signupWithPhoneNumber",
    "loginWithPhoneNumber", "generateOtp",
)  # fmt: skip
BY_NAME = {endpoint.node["operationId"]: endpoint for endpoint in ENDPOINTS}
sends = pytest.mark.parametrize("endpoint", [BY_NAME[name] for name in SENDS], ids=SENDS)


@sends
@pytest.mark.parametrize("reason", Reason)
def test_every_reason_of_a_channel_is_documented(everything, endpoint, reason):
    everything.channel.answers.append(Delivery(Outcome.REFUSED, reason=reason))
    assert_documented(endpoint, endpoint.ask(everything))


@sends
def test_an_unknown_outcome_is_documented(everything, endpoint):
    everything.channel.answers.append(Delivery(Outcome.UNKNOWN))
    assert_documented(endpoint, endpoint.ask(everything), *range(200, 300))


@sends
def test_limits_of_a_number_are_documented(everything, endpoint):
    """The gap at once; after a day of them the caps."""
    answers = []
    for _ in range(12):
        answers += [endpoint.ask(everything), endpoint.ask(everything)]
        everything.clock.advance(400)
    assert {200, 201, 429} >= {answer.status_code for answer in answers} >= {429}
    for answer in answers:
        assert_documented(endpoint, answer)


@sends
def test_another_country_is_documented(open_all, endpoint):
    assert_documented(endpoint, endpoint.ask(open_all(otp_countries="DE")), 403)


@sends
def test_a_fixed_line_is_documented(everything, endpoint):
    line = {"phone_number": "+442079460958", "user_id": "fixed", "To": "+442079460958", "Channel": "sms"}
    assert_documented(endpoint, endpoint.ask(everything, taken(endpoint, line)), *range(400, 500))


def taken(endpoint, fields):
    known = resolve(WHOLE, endpoint.media[1]["schema"])["properties"]
    return {name: value for name, value in fields.items() if name in known}


@pytest.mark.parametrize("name", ["sendOtp", "resendOtp", "sendCode", "registerPhone"])
def test_what_comes_of_idempotency_keys_is_documented(everything, name):
    """The first answer again; in use; used for another request; unusable."""
    endpoint, seen = BY_NAME[name], []
    number = "+14155552671"

    def ask_meanwhile():
        everything.channel.before = lambda: None
        seen.append(endpoint.ask(everything, headers={"Idempotency-Key": "k"}))

    everything.channel.before = ask_meanwhile
    seen += [endpoint.ask(everything, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    other = {"user_id": "nophone" if name != "sendCode" else "ABC", "phone_number": number, "purpose": "other"}
    seen.append(endpoint.ask(everything, other, headers={"Idempotency-Key": "k"}))
    seen.append(endpoint.ask(everything, headers={"Idempotency-Key": "a key"}))
    assert [answer.status_code for answer in seen[:3]] == [409, 200, 200]
    assert seen[-1].status_code == 400
    for answer in seen:
        assert_documented(endpoint, answer)


BEGINS = {
    "verifyOtp": "sendOtp", "verifyCode": "sendCode", "verifyPhone": "registerPhone",
    "checkVerification": "startVerification",
}  # fmt: skip


@pytest.mark.parametrize("name", BEGINS)
def test_what_comes_of_checks_is_documented(everything, name):
    """Right, used, wrong until no attempt is left, and over."""
    endpoint, begin, seen = BY_NAME[name], BY_NAME[BEGINS[name]], []
    number = {"phone_number": "+14155552671", "user_id": "abc", "To": "+14155552671", "Channel": "sms"}
    for attempts in ([True, True], [False] * 7 + [True], ["late", "late"]):
        everything.clock.advance(4000)
        token = begin.ask(everything, taken(begin, number)).json.get("session_token")
        code = everything.code()
        for attempt in attempts:
            everything.clock.advance(700 if attempt == "late" else 0)
            shown = dict.fromkeys(("otp", "passcode", "security_code", "Code"), code if attempt else wrong(code))
            seen.append(endpoint.ask(everything, taken(endpoint, {**number, **shown, "session_token": token})))
    assert seen[0].status_code == 200
    for answer in seen:
        assert_documented(endpoint, answer)


def test_what_becomes_of_verifications_is_documented(everything):
    sent = everything.send().json["verification_id"]
    path = f"/verifications/{sent}"
    for method, status in ("GET", 200), ("DELETE", 200), ("DELETE", 409), ("GET", 200):
        told = Endpoint(method.lower(), "/verifications/{verification_id}")
        assert_documented(told, everything.call(method, path), status)


def test_channels_that_do_not_work_are_documented(everything):
    everything.channel.ping_raises = ChannelDown("down")
    answer = everything.call("GET", "/readyz")
    assert answer.json["faults"] == {"sms": "channel_down"}
    assert_documented(Endpoint("get", "/readyz"), answer)


#: what the native operations never answer: it is of readyz's faults, a directory, accounts, or another API
ELSEWHERE = {
    "channel_down", "directory_unavailable", "verification_spent", "service_not_found", "service_fixed",
    "too_many_services", "accounts_unavailable", "bus_unavailable", "code_not_taken",
    "wrong_code", "user_exists", "user_not_found", "no_session", "session_not_found",
}  # fmt: skip
#: kinds that are answered as one of their own kinds, or as the reason of a channel
GENERAL = {"error", "invalid_input", "limit_reached", "delivery_refused"}


def codes(kind=OtpError):
    """The codes of all refusals that the server has."""
    own = {kind.code} if kind.__module__.startswith("otp_app.") else set()
    return own.union(*map(codes, kind.__subclasses__()))


def test_every_native_refusal_is_in_it():
    """Each error_type has its words, with its status."""
    statuses = dict.fromkeys(codes(), 400) | STATUS
    statuses |= {reason.value: status for reason, status in REFUSED_STATUS.items()}
    entry = {name: example["value"]["status"] for name, example in WHOLE["components"]["examples"].items()}
    missing = {name: status for name, status in statuses.items() if entry.get(name) != status}
    assert set(missing) == ELSEWHERE | GENERAL
