"""The limits of a number and of a client hold at every face alike, each of which tells them in its own words."""

import json
import math
from contextlib import ExitStack
from itertools import cycle, islice
from urllib.parse import urlencode

import pytest

from tests.apis.phone.words_004 import throttled
from tests.apis.verify_v2.house import ACCOUNTS, SERVICE, basic, refused
from tests.phones import fresh_numbers
from tests.running import Answer
from tests.web.house import House, api_key, wrong

FACES = ("native", "users", "phone", "verify_v2")
EACH = pytest.mark.parametrize("face", FACES)
TURNS = pytest.mark.parametrize("turn", range(len(FACES)))
SENT = {200, 201}
DJANGO = json.dumps(
    {
        "BACKEND": "phone_verify.backends.twilio.TwilioBackend",
        "OPTIONS": {"SID": "AC" + "0" * 32, "SECRET": "fake", "FROM": "+14755292729"},
        "TOKEN_LENGTH": 6,
        "MESSAGE": "Welcome to {app}! Please use security code {security_code} to proceed.",
        "APP_NAME": "Phone Verify",
        "SECURITY_CODE_EXPIRATION_SECONDS": 300,
        "VERIFY_SECURITY_CODE_ONLY_ONCE": True,
    }
)
KEYED = {"otp_api_keys": api_key("shop", "send+verify", "key"), "otp_verify_accounts": ACCOUNTS}
PUBLIC = KEYED | {"otp_public": "1", "otp_countries": "US"}
ENDLESS = {"otp_resend_gaps": "", "otp_sends_per_hour": "0", "otp_sends_per_day": "0"}


class Doors(House):
    """A server with all faces, by default without limits of a client. A user's id is the number without its plus."""

    def __init__(self, folder, **given):
        lines = [f"{number[1:]},{number}" for number in islice(fresh_numbers(), 30)]
        (folder / "users.csv").write_text("\n".join(["user_id,phone_number", *lines, ""]), encoding="ascii")
        usual = {"otp_apis": FACES, "otp_directory_url": f"file:///{folder}/users.csv"}
        usual |= {"otp_client_limits": "", "otp_check_limits": "", "otp_verify_services": f"{SERVICE}:login"}
        super().__init__(**usual | given)
        self.tokens = {}

    def form(self, path, **form):
        """As Twilio's clients ask."""
        headers = basic() | {"Content-Type": "application/x-www-form-urlencoded"}
        return self.post(f"/v2/Services/{SERVICE}/{path}", urlencode(form).encode(), headers=headers)

    def ask(self, face, number, key=""):
        """Ask a face for a code."""
        if face == "native":
            return self.send(number, key=key)
        if face == "users":
            return self.post("/send-code", {"user_id": number[1:]}, key=key)
        if face == "verify_v2":
            return self.form("Verifications", To=number, Channel="sms")
        answer = self.post("/api/phone/register", {"phone_number": number}, key=key)
        self.tokens[number] = answer.json.get("session_token", "")
        return answer

    def sent(self, face, number, key=""):
        """The code that a face sends when it may."""
        before = len(self.channel.messages)
        assert self.ask(face, number, key).status_code in SENT
        assert len(self.channel.messages) == before + 1
        return self.code()

    def guess(self, face, number, code):
        """Try a code."""
        if face == "native":
            return self.verify(number, code)
        if face == "users":
            return self.post("/verify-code", {"user_id": number[1:], "passcode": code})
        if face == "verify_v2":
            return self.form("VerificationCheck", To=number, Code=code)
        fields = {"phone_number": number, "security_code": code, "session_token": self.tokens.get(number, "a.b.c")}
        return self.post("/api/phone/verify", fields)

    def accepts(self, face, number, code):
        """Whether a face takes this code for the right one."""
        answer = self.guess(face, number, code)
        return answer.status_code == 200 and answer.json.get("valid", True)

    def attacked(self, number, key=""):
        """Let a number's code die of five wrong guesses."""
        code = self.sent("native", number, key)
        self.clock.advance(20)
        fields = {"phone_number": number, "otp": wrong(code)}
        assert [self.post("/verify-otp", fields, key=key).status_code for _ in range(5)] == [400] * 5


@pytest.fixture
def doors(tmp_path):
    """Call it with settings to get a server that is closed with the test."""
    with ExitStack() as opened:

        def start(**given):
            house = Doors(tmp_path, **given)
            opened.callback(house.close)
            return house

        yield start


def turned(turn):
    """All faces, another one first."""
    return FACES[turn:] + FACES[:turn]


def assert_limited(face, answer, error_type, wait=None):
    """A refusal for a limit in the face's own words, which says in how many seconds to come back."""
    assert answer.status_code == 429
    if wait is not None:
        assert answer.headers["Retry-After"] == str(math.ceil(wait))
    if face == "native":
        assert answer.json["error_type"] == error_type
    elif face == "users":
        assert (list(answer.json), type(answer.json["detail"])) == (["detail"], str)
    elif face == "phone":
        assert throttled(Answer(answer.status_code, answer.headers, answer.json))
    else:
        assert refused(answer) == (429, 60203 if error_type == "too_many_sends" else 20429)


# ---- after wrong guesses


@EACH
def test_every_face_cools_down(doors, face):
    """30 seconds from the fifth wrong guess, when the gap is long over."""
    house = doors()
    number = house.number()
    house.attacked(number)
    house.clock.advance(11)
    assert_limited(face, house.ask(face, number), "cooling_down", 19)
    house.clock.advance(19)
    house.sent(face, number)


@EACH
def test_callers_with_a_key_need_not_cool_down(doors, face):
    """So that an attacker who has none cannot shut a number out."""
    house = doors(**KEYED)
    number = house.number()
    house.attacked(number, "key")
    house.clock.advance(11)
    house.sent(face, number, "key")


@EACH
@pytest.mark.parametrize("chosen", [{}, {"phone_verification": DJANGO}], ids=["ours", "django"])
@pytest.mark.parametrize("raised", ["8", "9"])
def test_codes_of_every_face_are_raised(doors, face, chosen, raised):
    """After five wrong guesses at another one."""
    house = doors(otp_risk_raise="5e-6", otp_risk_lower="1e-6", otp_code_length_raised=raised, **chosen)
    number = house.number()
    assert len(house.sent(face, house.number())) == 6
    house.attacked(number)
    house.clock.advance(30)
    assert len(house.sent(face, number)) == int(raised)


# ---- limits of a client


@TURNS
def test_sends_of_all_faces_count_together(doors, turn):
    """And checks do not, where only OTP_CLIENT_LIMITS is set."""
    house = doors(otp_client_limits="2/day")
    for face in turned(turn)[:2]:
        house.sent(face, house.number())
    for face in FACES:
        assert_limited(face, house.ask(face, house.number()), "too_many_requests")
    assert 429 not in [house.guess(face, house.number(), "123456").status_code for face in FACES * 2]


@TURNS
def test_checks_of_all_faces_count_together(doors, turn):
    """And sends do not, where only OTP_CHECK_LIMITS is set."""
    house = doors(otp_check_limits="2/day")
    for face in turned(turn)[:2]:
        assert house.guess(face, house.number(), "123456").status_code in (400, 404)
    for face in FACES:
        assert_limited(face, house.guess(face, house.number(), "123456"), "too_many_requests")
    for face in FACES:
        house.sent(face, house.number())


# ---- messages


@EACH
def test_the_reserve_of_callers_with_a_key(doors, face):
    """What strangers used up of a number's messages is not all, and what is left is no more than the reserve."""
    house = doors(**PUBLIC, otp_resend_gaps="", otp_sends_per_day="1", otp_keyed_reserve="1")
    number = house.number()
    house.sent("native", number)
    assert_limited("native", house.ask("native", number), "too_many_sends", 86_400)
    house.sent(face, number, "key")
    assert_limited(face, house.ask(face, number, "key"), "too_many_sends", 86_400)


@TURNS
@pytest.mark.parametrize(
    ("caps", "wait"),
    [
        ({"otp_sends_per_hour": "3"}, 3600),
        ({"otp_sends_per_hour": "0", "otp_sends_per_day": "2", "otp_keyed_reserve": "1"}, 86_400),
    ],
)
def test_the_caps_are_one_for_callers_with_keys_and_accounts(doors, turn, caps, wait):
    """Three messages, each through another face: then none has any left."""
    house = doors(**KEYED, otp_resend_gaps="", **caps)
    number = house.number()
    for face in turned(turn)[:3]:
        house.sent(face, number, "key")
    for face in FACES:
        assert_limited(face, house.ask(face, number, "key"), "too_many_sends", wait)


@TURNS
def test_the_gap_grows_across_faces(doors, turn):
    """30, 60, 120, 300 and 300 seconds, whichever face sent; Verify has no gaps, but its messages make others wait."""
    house = doors(otp_sends_per_hour="0")
    number = house.number()
    for sender, gap in zip(cycle(turned(turn)), (30, 60, 120, 300, 300), strict=False):
        house.sent(sender, number)
        for face in FACES[:3]:
            assert_limited(face, house.ask(face, number), "resend_too_soon", gap)
        house.clock.advance(gap)


@pytest.mark.parametrize("others", [("native", "users"), ("users", "phone"), ("phone", "native")])
def test_the_messages_of_a_verification_are_five(doors, others):
    """Verify counts what other faces sent of it; they have no such limit."""
    house = doors(**ENDLESS)
    number = house.number()
    codes = {house.sent(face, number) for face in (*others, *["verify_v2"] * 3)}
    assert len(codes) == 1
    assert_limited("verify_v2", house.ask("verify_v2", number), "too_many_sends", 600)
    for face in FACES[:3]:
        assert house.sent(face, number) in codes
    assert_limited("verify_v2", house.ask("verify_v2", number), "too_many_sends", 600)


@pytest.mark.parametrize("first", FACES)
@pytest.mark.parametrize("second", FACES)
def test_a_new_code_with_each_message(doors, first, second):
    """OTP_RESEND_NEW_CODE=1: whichever face sends again; the first code is no good any more."""
    house = doors(**ENDLESS, otp_resend_new_code="1")
    number = house.number()
    old, new = house.sent(first, number), house.sent(second, number)
    assert old != new
    assert not house.accepts(second, number, old)
    assert house.accepts(first, number, new)
