"""GET /openapi.json: every answer of the server is one that it tells of, with examples that are true."""


import pytest

import otp_app.accounts.errors  # noqa: F401 - its refusals count too
from otp_app.core.delivery import Delivery, Outcome, Reason
from otp_app.core.errors import ChannelDown, OtpError, StoreUnavailable
from otp_app.web.access import requires
from otp_app.web.errors import REFUSED_STATUS, STATUS
from tests.web.documented import (
    ACCOUNTS,
    DOORS,
    KEYS,
    WHOLE,
    Door,
    assert_documented,
    assert_fits,
    doors,
    doors_with_body,
    resolve,
)
from tests.web.house import wrong

# ---- examples


@doors
def test_every_example_is_what_it_is_an_example_of(door):
    """Of requests and answers."""
    medias = [door.media[1]] if door.media else []
    for told in door.node["responses"].values():
        medias += resolve(WHOLE, told).get("content", {}).values()
    for media in medias:
        assert media["examples"]
        for example in media["examples"].values():
            assert_fits(media["schema"], resolve(WHOLE, example)["value"])


@doors
def test_every_error_has_an_example(door):
    """Of each error_type, or Twilio number, that its status can have."""
    for told in door.node["responses"].values():
        for media in resolve(WHOLE, told).get("content", {}).values():
            properties = media["schema"].get("properties", {})
            kind = properties.get("error_type") or properties.get("code") or {}
            shown = [resolve(WHOLE, example)["value"] for example in media["examples"].values()]
            named = [value.get("error_type") or value.get("code") for value in shown if isinstance(value, dict)]
            assert set(named) == set(kind.get("enum") or ([kind["const"]] if kind else named))


@doors
def test_its_first_example_can_be_sent(everything, door):
    """It is a request that is understood."""
    answer = door.ask(everything)
    assert answer.status_code not in (401, 405, 413, 415, 422, 500)
    assert_documented(door, answer)


@doors_with_body
def test_all_examples_can_be_sent(everything, door):
    """So are the others; each to a server that has not seen the number yet, or has."""
    for example in door.bodies():
        assert_documented(door, door.ask(everything, example))


# ---- refusals


@doors
def test_it_promises_when_to_come_back(door):
    """With every 429 and 503; Twilio's API has some without, and a fault that only a person can mend has none."""
    for status in {"429", "503"} & set(door.node["responses"]):
        response = resolve(WHOLE, door.node["responses"][status])
        header = resolve(WHOLE, response["headers"]["Retry-After"])
        without = door.path.startswith("/v2/") or "provider_account" in str(response["content"])
        assert header.get("required") or without


@doors
def test_a_host_of_others_is_documented(unharmed, door):
    """400, in the shape of the face."""
    answer = door.ask(unharmed, HTTP_HOST="evil.example")
    assert answer.status_code == 400
    assert_documented(door, answer)


BODIES = {
    "no JSON": b"{",
    "no object": b"[]",
    "null": b"null",
    "wrong types": b'{"phone_number": 1, "otp": [], "user_id": {}, "passcode": 1.5, "session_token": true}',
    "empty texts": b'{"phone_number": "", "otp": "", "user_id": "", "passcode": "", "session_token": ""}',
    "no number": b'{"phone_number": "1", "otp": "1", "passcode": "x", "session_token": "x", "security_code": "x"}',
    "no UTF-8": b"\xff",
    "an escape that is none": b"To=%zz&Channel=sms&Code=123456",
    "a field twice": b"To=1&To=2",
    "unknown channel": b"To=%2B14155552671&Channel=call&Status=x&FriendlyName=",
    "what is not done": b"To=%2B14155552671&Channel=sms&Code=123456&Amount=1&LookupEnabled=true",
}


#: to them nothing is wrong with a form of fields that they do not know
LENIENT = {"changeService"}


@doors_with_body
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_bad_body_is_documented(unharmed, door, body):
    """Whatever is wrong with it."""
    answer = door.ask(unharmed, body)
    assert 400 <= answer.status_code <= 422 or door.node["operationId"] in LENIENT
    assert_documented(door, answer)


@doors_with_body
def test_a_large_body_is_documented(unharmed, door):
    """413."""
    answer = door.ask(unharmed, b" " * 9000)
    assert answer.status_code == 413
    assert_documented(door, answer)


@doors_with_body
@pytest.mark.parametrize("how", [{"CONTENT_TYPE": "text/plain"}, {"HTTP_CONTENT_ENCODING": "gzip"}], ids=str)
def test_another_media_type_is_documented(unharmed, door, how):
    """415."""
    answer = door.ask(unharmed, **how)
    assert answer.status_code == 415
    assert_documented(door, answer)


@pytest.mark.parametrize("door", [door for door in DOORS if "401" in door.node["responses"]], ids=str)
def test_wrong_credentials_are_documented(open_all, door):
    """401, and after ten of them 429."""
    house = open_all(otp_api_keys=KEYS, otp_verify_accounts=ACCOUNTS)
    shown = {} if door.path.startswith("/v2/") else {"Authorization": "Bearer wrong"}
    answers = [door.ask(house, headers=shown) for _ in range(22)]  # the minute may change between them
    assert {answer.status_code for answer in answers} == {401, 429}
    for answer in answers[0], answers[-1]:
        assert_documented(door, answer)


def test_a_store_that_is_away_is_documented(open_all, monkeypatch):
    """503, wherever the store is asked."""
    house = open_all(otp_api_keys=KEYS, otp_verify_accounts=ACCOUNTS)

    def away(*_):
        raise StoreUnavailable

    for verb in ("get", "swap", "add", "ping"):
        monkeypatch.setattr(house.services.store, verb, away)
    for door in [door for door in DOORS if "401" in door.node["responses"]]:
        shown = {} if door.path.startswith("/v2/") else {"Authorization": "Bearer wrong"}
        answer = door.ask(house, headers=shown)
        assert answer.status_code == 503, door
        assert_documented(door, answer)


def test_a_defect_is_documented(everything):
    """500, in the shape of the face."""

    def defective(**_):
        raise KeyError("a defect")

    for endpoint, view in everything.app.view_functions.items():
        mark = requires(view.access.scope, credentials=view.access.credentials)
        everything.app.view_functions[endpoint] = mark(lambda **_: defective())
    for door in DOORS:
        answer = door.ask(everything)
        assert answer.status_code == 500, door
        assert_documented(door, answer)


@doors
def test_a_limit_of_clients_is_documented(open_all, door):
    """429, wherever requests are counted."""
    house = open_all(otp_client_limits="1/hour", otp_check_limits="1/hour")
    answers = [door.ask(house) for _ in range(2)]
    assert (answers[1].status_code == 429) == (door.node["operationId"] in COUNTED)
    assert_documented(door, answers[1])


COUNTED = {
    "sendOtp", "resendOtp", "verifyOtp", "sendCode", "verifyCode", "registerPhone", "verifyPhone", "startVerification",
    "checkVerification",
}  # fmt: skip


# ---- what sends and checks can come to


SENDS = ("sendOtp", "resendOtp", "sendCode", "registerPhone", "startVerification")
BY_NAME = {door.node["operationId"]: door for door in DOORS}
sends = pytest.mark.parametrize("door", [BY_NAME[name] for name in SENDS], ids=SENDS)


@sends
@pytest.mark.parametrize("reason", Reason)
def test_every_reason_of_a_channel_is_documented(everything, door, reason):
    """Whatever a provider says."""
    everything.channel.answers.append(Delivery(Outcome.REFUSED, reason=reason))
    assert_documented(door, door.ask(everything))


@sends
def test_an_unknown_outcome_is_documented(everything, door):
    """The message may arrive."""
    everything.channel.answers.append(Delivery(Outcome.UNKNOWN))
    answer = door.ask(everything)
    assert 200 <= answer.status_code < 300
    assert_documented(door, answer)


@sends
def test_limits_of_a_number_are_documented(everything, door):
    """The gap at once; after a day of them the caps."""
    answers = []
    for _ in range(12):
        answers += [door.ask(everything), door.ask(everything)]
        everything.clock.advance(400)
    assert {200, 201, 429} >= {answer.status_code for answer in answers} >= {429}
    for answer in answers:
        assert_documented(door, answer)


@sends
def test_another_country_is_documented(open_all, door):
    """403."""
    answer = door.ask(open_all(otp_countries="DE"))
    assert answer.status_code == 403
    assert_documented(door, answer)


@sends
def test_a_fixed_line_is_documented(everything, door):
    """Which the one channel here cannot reach."""
    line = {"phone_number": "+442079460958", "user_id": "fixed", "To": "+442079460958", "Channel": "sms"}
    answer = door.ask(everything, taken(door, line))
    assert 400 <= answer.status_code < 500
    assert_documented(door, answer)


def taken(door, fields):
    """Those of the fields that an operation takes."""
    known = resolve(WHOLE, door.media[1]["schema"])["properties"]
    return {name: value for name, value in fields.items() if name in known}


@pytest.mark.parametrize("name", ["sendOtp", "resendOtp", "sendCode", "registerPhone"])
def test_what_comes_of_idempotency_keys_is_documented(everything, name):
    """The first answer again; in use; used for another request; unusable."""
    door, seen = BY_NAME[name], []
    number = "+14155552671"

    def ask_meanwhile():
        everything.channel.before = lambda: None
        seen.append(door.ask(everything, headers={"Idempotency-Key": "k"}))

    everything.channel.before = ask_meanwhile
    seen += [door.ask(everything, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    other = {"user_id": "nophone" if name != "sendCode" else "ABC", "phone_number": number, "purpose": "other"}
    seen.append(door.ask(everything, other, headers={"Idempotency-Key": "k"}))
    seen.append(door.ask(everything, headers={"Idempotency-Key": "a key"}))
    assert [answer.status_code for answer in seen[:3]] == [409, 200, 200]
    assert seen[-1].status_code == 400
    for answer in seen:
        assert_documented(door, answer)


BEGINS = {
    "verifyOtp": "sendOtp",
    "verifyCode": "sendCode",
    "verifyPhone": "registerPhone",
    "checkVerification": "startVerification",
}


@pytest.mark.parametrize("name", BEGINS)
def test_what_comes_of_checks_is_documented(everything, name):
    """Right, used, wrong until no guess is left, and over."""
    door, begin, seen = BY_NAME[name], BY_NAME[BEGINS[name]], []
    number = {"phone_number": "+14155552671", "user_id": "abc", "To": "+14155552671", "Channel": "sms"}
    for guesses in ([True, True], [False] * 7 + [True], ["late", "late"]):
        everything.clock.advance(4000)
        token = begin.ask(everything, taken(begin, number)).json.get("session_token")
        code = everything.code()
        for guess in guesses:
            everything.clock.advance(700 if guess == "late" else 0)
            shown = dict.fromkeys(("otp", "passcode", "security_code", "Code"), code if guess else wrong(code))
            seen.append(door.ask(everything, taken(door, {**number, **shown, "session_token": token})))
    assert seen[0].status_code == 200
    for answer in seen:
        assert_documented(door, answer)


def test_what_becomes_of_verifications_is_documented(everything):
    """Shown, ended, and not ended twice."""
    sent = everything.send().json["verification_id"]
    path = f"/verifications/{sent}"
    for method, status in ("GET", 200), ("DELETE", 200), ("DELETE", 409), ("GET", 200):
        answer = everything.call(method, path)
        assert answer.status_code == status
        assert_documented(Door(method.lower(), "/verifications/{verification_id}"), answer)


def test_channels_that_do_not_work_are_documented(everything):
    """readyz names them."""
    everything.channel.ping_raises = ChannelDown("down")
    answer = everything.call("GET", "/readyz")
    assert answer.json["faults"] == {"sms": "channel_down"}
    assert_documented(Door("get", "/readyz"), answer)


#: what the native operations never answer: it is of readyz's faults, a directory, accounts, or another face
ELSEWHERE = {
    "channel_down", "directory_unavailable", "verification_spent", "service_not_found", "service_fixed",
    "too_many_services", "accounts_unavailable", "wrong_code", "user_exists", "user_not_found", "no_session",
    "session_not_found",
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
    told = {name: example["value"]["status"] for name, example in WHOLE["components"]["examples"].items()}
    missing = {name: status for name, status in statuses.items() if told.get(name) != status}
    assert set(missing) == ELSEWHERE | GENERAL
