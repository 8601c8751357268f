"""What each RPC answers, and who may call it."""

import gzip
import tracemalloc

import pytest
from sqlalchemy import text

from otp_app.accounts import service
from otp_app.apis.connect import auth_service
from otp_app.apis.connect.generated.auth_pb import LoginResponse, NumberAndCode
from otp_app.core.delivery import Delivery, Outcome, Reason
from tests.apis.connect.conftest import AUTH, OTP
from tests.web.site import api_key, wrong

KEYS = ",".join(
    [api_key("shop", "send+verify", "both"), api_key("s", "send", "sends"), api_key("v", "verify", "checks")]
)
REMOTE = {"REMOTE_ADDR": "203.0.113.9"}
PUBLIC = {"otp_public": "1", "otp_countries": "US"}
SEEDS = [
    *(AUTH + name for name in ("SignupWithPhoneNumber", "VerifyPhoneNumber", "LoginWithPhoneNumber")),
    *(AUTH + name for name in ("ValidatePhoneNumberLogin", "GetProfile")),
    OTP + "GenerateOtp",
]


def fault(answer):
    """The HTTP status, the code and the text of an error."""
    assert set(answer.json) == {"code", "message"}
    return answer.status_code, answer.json["code"], answer.json["message"]


@pytest.fixture(params=SEEDS)
def any_rpc(request):
    """The path of each RPC that takes a number."""
    return request.param


# ---- errors, row by row


def test_a_number_is_required(desk, any_rpc):
    """In these words, whatever else is there."""
    _, token = desk.signed_up()
    for body in {}, {"phone_number": ""}, {"otp": "123456", "more": 1}:
        answer = desk.rpc(any_rpc, body, key=token)
        assert fault(answer) == (400, "invalid_argument", "phone number required")


def test_what_is_no_number_is_rejected(desk, any_rpc):
    """But Validate has an answer for it."""
    _, token = desk.signed_up()
    answer = desk.rpc(any_rpc, {"phone_number": "12345", "otp": "123456"}, key=token)
    if any_rpc.endswith("ValidatePhoneNumberLogin"):
        assert answer.json == {"is_valid": False, "message": "Invalid phone number format"}
    else:
        assert fault(answer)[:2] == (400, "invalid_argument")


def test_a_wrong_code(desk):
    """invalid_argument at the sign-up, permission_denied at the log-in."""
    number = desk.site.number()
    desk.rpc("SignupWithPhoneNumber", {"phone_number": number})
    body = {"phone_number": number, "otp": wrong(desk.site.code())}
    assert fault(desk.rpc("VerifyPhoneNumber", body)) == (400, "invalid_argument", "invalid OTP")
    assert fault(desk.rpc("VerifyPhoneNumber", body | {"otp": ""})) == (400, "invalid_argument", "invalid OTP")
    assert fault(desk.rpc("LoginWithPhoneNumber", body)) == (403, "permission_denied", "invalid OTP")


def test_who_is_not_found(desk):
    """Only a right code tells that the number has no user."""
    number = desk.site.number()
    desk.rpc(OTP + "GenerateOtp", {"phone_number": number})
    body = {"phone_number": number, "otp": desk.site.code()}
    assert fault(desk.rpc("LoginWithPhoneNumber", body)) == (404, "not_found", "user not found")
    other = desk.site.number()
    desk.site.post("/send-otp", {"phone_number": other, "purpose": "signup"})
    body = {"phone_number": other, "otp": desk.site.code()}
    assert fault(desk.rpc("VerifyPhoneNumber", body)) == (404, "not_found", "phone number not found")
    answer = desk.rpc("RevokeSession", {"id": "SE0"}, key=desk.signed_up()[1])
    assert fault(answer) == (404, "not_found", "session not found")


def test_who_exists_already(desk):
    """At a sign-up, and at a change of number."""
    (taken, _), (_, token) = desk.signed_up(), desk.signed_up()
    answer = desk.rpc("SignupWithPhoneNumber", {"phone_number": taken})
    assert fault(answer) == (409, "already_exists", "phone number already exists")
    desk.site.clock.advance(400)
    assert desk.rpc("ChangePhoneNumber", {"phone_number": taken}, key=token).json == {"message": "OTP sent"}
    answer = desk.rpc("ChangePhoneNumber", {"phone_number": taken, "otp": desk.site.code()}, key=token)
    assert fault(answer) == (409, "already_exists", "phone number already exists")


def test_limits(desk):
    """With when to come back."""
    number = {"phone_number": desk.site.number()}
    desk.rpc(OTP + "GenerateOtp", number)
    answer = desk.rpc("LoginWithPhoneNumber", number)
    assert fault(answer)[:2] == (429, "resource_exhausted")
    assert int(answer.headers["Retry-After"]) == 30


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (Reason.BAD_NUMBER, (400, "invalid_argument")),
        (Reason.BLOCKED, (403, "permission_denied")),
        (Reason.FAILED, (500, "internal")),
        (Reason.UNREACHABLE, (503, "unavailable")),
    ],
)
def test_a_provider_that_refuses(desk, reason, expected):
    """Whose text is not shown."""
    desk.site.channel.answers.append(Delivery(Outcome.REFUSED, reason=reason))
    answer = desk.rpc("SignupWithPhoneNumber", {"phone_number": desk.site.number()})
    assert fault(answer) == (*expected, "The message could not be sent")


def test_a_database_that_fails(desk, monkeypatch):
    """503 with when to come back, here and at /readyz; the native API goes on."""
    (number, token), broken = desk.signed_up(), text("SELECT no_such_column")
    for name in "USER", "SESSION":
        monkeypatch.setattr(service.sql, name, broken)
    for answer in (
        desk.rpc("ValidatePhoneNumberLogin", {"phone_number": number}),
        desk.rpc("GetProfile", {"phone_number": number}, key=token),
    ):
        assert fault(answer)[:2] == (503, "unavailable")
        assert answer.headers["Retry-After"] == "1"
    assert desk.site.send().status_code == 200


def test_a_defect_shows_nothing(desk, monkeypatch, caplog, capfd):
    """Neither in the answer nor in the log."""
    number = desk.site.number()

    def defective(*_):
        raise KeyError(number)

    monkeypatch.setattr(auth_service.Accounts, "is_registered", defective)
    answer = desk.rpc("ValidatePhoneNumberLogin", {"phone_number": number})
    assert fault(answer) == (500, "internal", "Internal error")
    assert "unexpected error" in caplog.text
    assert number not in capfd.readouterr().err


# ---- bodies


def test_both_spellings_are_read_and_one_is_written(desk):
    """phone_number, as the original's README has it; not both at once."""
    number, token = desk.signed_up()
    for field in "phone_number", "phoneNumber":
        assert desk.rpc("GetProfile", {field: number}, key=token).json == {"phone_number": number}
    both = {"phone_number": number, "phoneNumber": number}
    assert fault(desk.rpc("GetProfile", both, key=token)) == (400, "invalid_argument", "The body has a field twice")


def test_protocol_buffers_are_read_and_written(desk):
    """In the type of the request; an error is JSON all the same."""
    number = desk.signed_up()[0]
    desk.site.clock.advance(400)
    how = {"CONTENT_TYPE": "application/proto"}
    desk.rpc("LoginWithPhoneNumber", NumberAndCode(phone_number=number).to_binary(), **how)
    body = NumberAndCode(phone_number=number, otp=desk.site.code()).to_binary()
    answer = desk.rpc("LoginWithPhoneNumber", body, **how)
    assert answer.mimetype == "application/proto"
    assert LoginResponse.from_binary(answer.data).session_token.startswith("ses_")
    assert fault(desk.rpc("LoginWithPhoneNumber", body, **how)) == (403, "permission_denied", "invalid OTP")


def test_a_body_may_be_packed(desk):
    """As Connect's clients do by default; what it unpacks to has the limits of every body."""
    how = {"CONTENT_TYPE": "application/json", "HTTP_CONTENT_ENCODING": "gzip"}
    packed = gzip.compress(b'{"phone_number": "' + desk.site.number().encode() + b'"}')
    assert desk.rpc("SignupWithPhoneNumber", packed, **how).status_code == 200
    for bad, status in {
        gzip.compress(b"{}" + b" " * 8191): 413,
        gzip.compress(b" " * 5_000_000): 413,
        packed[:-1]: 400,
        packed + b"x": 400,
        b"{}": 400,
        b"": 400,
    }.items():
        assert desk.rpc("SignupWithPhoneNumber", bad, **how).status_code == status


def test_no_more_is_unpacked_than_a_body_may_have(desk):
    """A packed body of the longest length would take 8 MB, and a hundred at once 800."""
    how = {"CONTENT_TYPE": "application/json", "HTTP_CONTENT_ENCODING": "gzip"}
    body = gzip.compress(b" " * 5_000_000)
    desk.rpc("SignupWithPhoneNumber", body, **how)
    tracemalloc.start()
    try:
        assert desk.rpc("SignupWithPhoneNumber", body, **how).status_code == 413
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("body", [b"\x0a\xff", b"\xff", b"\x08\x01\x0a"])
def test_what_is_no_message_is_rejected(desk, body):
    """Without a word of it in the answer."""
    answer = desk.rpc("LoginWithPhoneNumber", body, CONTENT_TYPE="application/proto")
    assert fault(answer)[:2] == (400, "invalid_argument")


@pytest.mark.parametrize(
    "kind", ["application/connect+json", "application/grpc", "application/grpc-web+proto", "application/protobuf", ""]
)
def test_other_types_are_415(desk, any_rpc, kind):
    """Streams and gRPC too."""
    _, token = desk.signed_up()
    assert desk.rpc(any_rpc, b"{}", CONTENT_TYPE=kind, key=token).status_code == 415


def test_there_is_no_get(desk, any_rpc):
    """It would put numbers into addresses and logs."""
    query = "?connect=v1&encoding=json&message=%7B%22phone_number%22%3A%22%2B14155552671%22%7D"
    answer = desk.site.call("GET", any_rpc + query, key=desk.signed_up()[1])
    assert fault(answer)[:2] == (405, "unimplemented")


def test_an_rpc_that_there_is_not(desk):
    """In both services."""
    assert [fault(desk.rpc(path, {}))[:2] for path in (AUTH + "Nope", OTP + "x")] == [(404, "unimplemented")] * 2


# ---- who may call


def rpcs(desk):
    """Every RPC that the server has, with its access: a new one is looked at too."""
    views = desk.site.app.view_functions
    found = {rule.rule: views[rule.endpoint].access for rule in desk.site.app.url_map.iter_rules()}
    return {path: access for path, access in found.items() if path.startswith((AUTH, OTP))}


def test_every_rpc_passes_the_checks_of_the_rest(open_desk):
    """Host, size, credentials and scope, before anything is looked at."""
    desk = open_desk(otp_api_keys=KEYS)
    _, token = desk.signed_up(key="both")
    assert len(rpcs(desk)) == 13
    for path, access in rpcs(desk).items():
        right = token if access.credentials else "both"
        assert fault(desk.rpc(path, {}))[:2] == (401, "unauthenticated")
        assert fault(desk.rpc(path, {}, key="wrong" if access.credentials is None else "ses_wrong"))[0] == 401
        assert fault(desk.rpc(path, {}, key=right, HTTP_HOST="evil example"))[:2] == (400, "invalid_argument")
        assert fault(desk.rpc(path, b" " * 8193, key=right, CONTENT_TYPE="application/json"))[0] == 413
        assert desk.rpc(path, {}, key=right, HTTP_CONTENT_ENCODING="br").status_code == 415
        if access.credentials is None:
            other = {"send": "checks", "verify": "sends"}[access.scope]
            assert fault(desk.rpc(path, {}, key=other))[:2] == (403, "permission_denied")
        desk.site.services.store._counters.clear()  # of wrong keys


def test_what_shows_who_exists_needs_a_key_off_this_machine(open_desk):
    """OTP_PUBLIC=1 opens the others, and a session needs no key."""
    desk = open_desk(otp_api_keys=KEYS, **PUBLIC)
    number, token = desk.signed_up(key="both")
    open_to_all = {
        path for path in SEEDS if desk.rpc(path, {"phone_number": number, "otp": "1"}, **REMOTE).status_code != 401
    }
    assert open_to_all == {AUTH + "VerifyPhoneNumber", AUTH + "LoginWithPhoneNumber", OTP + "GenerateOtp"}
    assert desk.rpc("GetProfile", {"phone_number": number}, key=token, **REMOTE).status_code == 200


def test_a_key_that_only_sends_checks_no_log_in(open_desk):
    """Though one RPC does both."""
    desk = open_desk(otp_api_keys=KEYS)
    number = desk.signed_up(key="both")[0]
    desk.site.clock.advance(400)
    assert desk.rpc("LoginWithPhoneNumber", {"phone_number": number}, key="sends").status_code == 200
    body = {"phone_number": number, "otp": desk.site.code()}
    assert fault(desk.rpc("LoginWithPhoneNumber", body, key="sends"))[:2] == (403, "permission_denied")
    assert desk.rpc("LoginWithPhoneNumber", body, key="both").status_code == 200


def test_a_session_opens_its_own_number_alone(desk):
    """Another user's and nobody's get one answer."""
    (number, token), (other, _) = desk.signed_up(), desk.signed_up()
    assert desk.rpc("GetProfile", {"phone_number": number}, key=token).status_code == 200
    answers = [fault(desk.rpc("GetProfile", {"phone_number": n}, key=token)) for n in (other, desk.site.number())]
    assert answers == [(403, "permission_denied", "This session is of another phone number")] * 2


def test_a_user_with_a_session_has_the_limits_of_everybody(open_desk):
    """Else one could have codes sent to any number of numbers."""
    desk = open_desk(otp_client_limits="3/hour")
    _, token = desk.signed_up()
    numbers = [desk.site.number() for _ in range(3)]
    answers = [desk.rpc("ChangePhoneNumber", {"phone_number": number}, key=token) for number in numbers]
    assert [answer.status_code for answer in answers] == [200, 200, 429]


def test_a_session_that_has_ended_is_no_wrong_key(desk):
    """A back end with many users must not be told to wait."""
    number, token = desk.signed_up()
    desk.rpc("Logout", {}, key=token)
    answers = [fault(desk.rpc("GetProfile", {"phone_number": number}, key=token)) for _ in range(12)]
    assert set(answers) == {(401, "unauthenticated", "The session has ended, or there is none: log in")}


def test_sessions_use_no_api_key_and_keys_no_session(open_desk):
    """Each opens its own."""
    desk = open_desk(otp_api_keys=KEYS)
    number, token = desk.signed_up(key="both")
    assert desk.rpc("GetProfile", {"phone_number": number}, key="both").status_code == 401
    assert desk.rpc("ValidatePhoneNumberLogin", {"phone_number": number}, key=token).status_code == 401
    both = {"Authorization": f"Bearer {token}", "X-API-Key": "both"}
    assert desk.rpc("GetProfile", {"phone_number": number}, headers=both).status_code == 200


# ---- the code is the core's


def test_a_code_crosses_apis(desk):
    """Sent here and checked by the native API, and the other way; used is used."""
    number, _ = desk.signed_up()
    desk.site.clock.advance(400)
    desk.rpc("LoginWithPhoneNumber", {"phone_number": number})
    assert desk.site.verify(number).status_code == 200
    body = {"phone_number": number, "otp": desk.site.code()}
    assert desk.rpc("LoginWithPhoneNumber", body).status_code == 403
    desk.site.clock.advance(400)
    assert desk.site.send(number).status_code == 200
    assert desk.rpc("LoginWithPhoneNumber", body | {"otp": desk.site.code()}).status_code == 200


def test_attempts_are_one(desk):
    """Three wrong ones there and two here end it."""
    number, _ = desk.signed_up()
    desk.site.clock.advance(400)
    desk.rpc("LoginWithPhoneNumber", {"phone_number": number})
    code = desk.site.code()
    for _ in range(3):
        desk.site.verify(number, wrong(code))
    bodies = [{"phone_number": number, "otp": otp} for otp in (wrong(code), wrong(code), code)]
    assert [desk.rpc("LoginWithPhoneNumber", body).status_code for body in bodies] == [403] * 3


def test_the_code_is_never_in_an_answer(desk):
    """`otp` is there for clients that look for it, and empty."""
    answer = desk.rpc("LoginWithPhoneNumber", {"phone_number": desk.site.number()})
    assert answer.json == {"message": "OTP sent", "otp": ""}
    assert desk.site.code() not in answer.get_data(as_text=True)


# ---- the account


def test_an_account_from_its_profile_to_its_end(desk):
    """Name and email, sessions, activity, a new number, and the deletion with a fresh code."""
    number, token = desk.signed_up()
    answer = desk.rpc("UpdateProfile", {"name": "Ann", "email": "ann@example.com"}, key=token)
    assert answer.json == {"phone_number": number, "name": "Ann", "email": "ann@example.com"}
    assert desk.rpc("UpdateProfile", {"email": ""}, key=token).json == {"phone_number": number, "name": "Ann"}
    (mine,) = desk.rpc("ListSessions", {}, key=token).json["sessions"]
    assert (mine["current"], mine["created_at"][-1]) == (True, "Z")
    events = [line["event"] for line in desk.rpc("ListActivity", {}, key=token).json["activities"]]
    assert events == ["update_profile", "update_profile", "verify", "signup"]
    new = desk.site.number()
    desk.rpc("ChangePhoneNumber", {"phone_number": new}, key=token)
    changed = desk.rpc("ChangePhoneNumber", {"phone_number": new, "otp": desk.site.code()}, key=token)
    assert changed.json == {"message": "Phone number changed"}
    assert desk.rpc("GetProfile", {"phone_number": new}, key=token).json["name"] == "Ann"
    desk.site.clock.advance(31)
    assert desk.rpc("DeleteAccount", {}, key=token).json == {"message": "OTP sent"}
    assert fault(desk.rpc("DeleteAccount", {"otp": wrong(desk.site.code())}, key=token))[2] == "invalid OTP"
    assert desk.rpc("DeleteAccount", {"otp": desk.site.code()}, key=token).json == {"message": "Account deleted"}
    assert desk.rpc("ListSessions", {}, key=token).status_code == 401
    assert desk.rpc("ValidatePhoneNumberLogin", {"phone_number": new}).json["is_valid"] is False


def test_a_user_revokes_another_session(desk):
    """By the id that the list shows."""
    number, first = desk.signed_up()
    desk.site.clock.advance(400)
    desk.rpc("LoginWithPhoneNumber", {"phone_number": number})
    body = {"phone_number": number, "otp": desk.site.code()}
    second = desk.rpc("LoginWithPhoneNumber", body).json["session_token"]
    (old,) = [s["id"] for s in desk.rpc("ListSessions", {}, key=second).json["sessions"] if not s.get("current")]
    assert desk.rpc("RevokeSession", {"id": old}, key=second).json == {"message": "Session revoked"}
    assert desk.rpc("ListSessions", {}, key=first).status_code == 401
