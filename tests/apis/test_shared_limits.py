"""The limits of a number and of a client hold at every API alike, each of which tells them in its own words."""

import math
from contextlib import ExitStack
from itertools import cycle, islice
from urllib.parse import urlencode

import pytest

from tests.apis.phone.words_004 import throttled
from tests.apis.verify_v2.site import ACCOUNTS, SERVICE, basic, refused
from tests.phone_verification import django
from tests.phones import fresh_numbers
from tests.running import Answer
from tests.web.site import Site, api_key, wrong

APIS = ("native", "users", "phone", "verify_v2")
EACH = pytest.mark.parametrize("api", APIS)
TURNS = pytest.mark.parametrize("turn", range(len(APIS)))
SENT = {200, 201}
KEYED = {"otp_api_keys": api_key("shop", "send+verify", "key"), "otp_verify_accounts": ACCOUNTS}
PUBLIC = KEYED | {"otp_public": "1", "otp_countries": "US"}
ENDLESS = {"otp_resend_gaps": "", "otp_sends_per_hour": "0", "otp_sends_per_day": "0"}


class Sites(Site):
    """A server with all APIs, by default without limits of a client. A user's id is the number without its plus."""

    def __init__(self, folder, **given):
        lines = [f"{number[1:]},{number}" for number in islice(fresh_numbers(), 30)]
        (folder / "users.csv").write_text("\n".join(["user_id,phone_number", *lines, ""]), encoding="ascii")
        usual = {"otp_apis": APIS, "otp_directory_url": f"file:///{folder}/users.csv"}
        usual |= {"otp_client_limits": "", "otp_check_limits": "", "otp_verify_services": f"{SERVICE}:login"}
        super().__init__(**usual | given)
        self.tokens = {}

    def form(self, path, **form):
        headers = basic() | {"Content-Type": "application/x-www-form-urlencoded"}
        return self.post(f"/v2/Services/{SERVICE}/{path}", urlencode(form).encode(), headers=headers)

    def ask(self, api, number, key=""):
        if api == "native":
            return self.send(number, key=key)
        if api == "users":
            return self.post("/send-code", {"user_id": number[1:]}, key=key)
        if api == "verify_v2":
            return self.form("Verifications", To=number, Channel="sms")
        answer = self.post("/api/phone/register", {"phone_number": number}, key=key)
        self.tokens[number] = answer.json.get("session_token", "")
        return answer

    def sent(self, api, number, key=""):
        before = len(self.channel.messages)
        assert self.ask(api, number, key).status_code in SENT
        assert len(self.channel.messages) == before + 1
        return self.code()

    def attempt(self, api, number, code):
        if api == "native":
            return self.verify(number, code)
        if api == "users":
            return self.post("/verify-code", {"user_id": number[1:], "passcode": code})
        if api == "verify_v2":
            return self.form("VerificationCheck", To=number, Code=code)
        fields = {"phone_number": number, "security_code": code, "session_token": self.tokens.get(number, "a.b.c")}
        return self.post("/api/phone/verify", fields)

    def accepts(self, api, number, code):
        """Whether an API takes this code for the right one."""
        answer = self.attempt(api, number, code)
        return answer.status_code == 200 and answer.json.get("valid", True)

    def attacked(self, number, key=""):
        code = self.sent("native", number, key)
        self.clock.advance(20)
        fields = {"phone_number": number, "otp": wrong(code)}
        assert [self.post("/verify-otp", fields, key=key).status_code for _ in range(5)] == [400] * 5


@pytest.fixture
def sites(tmp_path):
    """Call it with settings to get a server that is closed with the test."""
    with ExitStack() as opened:

        def start(**given):
            site = Sites(tmp_path, **given)
            opened.callback(site.close)
            return site

        yield start


def turned(turn):
    return APIS[turn:] + APIS[:turn]


def assert_limited(api, answer, error_type, wait=None):
    """A refusal for a limit in the API's own words, which says in how many seconds to come back."""
    assert answer.status_code == 429
    if wait is not None:
        assert answer.headers["Retry-After"] == str(math.ceil(wait))
    if api == "native":
        assert answer.json["error_type"] == error_type
    elif api == "users":
        assert (list(answer.json), type(answer.json["detail"])) == (["detail"], str)
    elif api == "phone":
        assert throttled(Answer(answer.status_code, answer.headers, answer.json))
    else:
        assert refused(answer) == (429, 60203 if error_type == "too_many_sends" else 20429)


# ---- after wrong attempts


@EACH
def test_every_api_cools_down(sites, api):
    """30 seconds from the fifth wrong attempt, when the gap is long over."""
    site = sites()
    number = site.number()
    site.attacked(number)
    site.clock.advance(11)
    assert_limited(api, site.ask(api, number), "cooling_down", 19)
    site.clock.advance(19)
    site.sent(api, number)


@EACH
def test_callers_with_a_key_need_not_cool_down(sites, api):
    """So that an attacker who has none cannot shut a number out."""
    site = sites(**KEYED)
    number = site.number()
    site.attacked(number, "key")
    site.clock.advance(11)
    site.sent(api, number, "key")


@EACH
@pytest.mark.parametrize("chosen", [{}, {"phone_verification": django()}], ids=["ours", "django"])
@pytest.mark.parametrize("raised", ["8", "9"])
def test_codes_of_every_api_are_raised(sites, api, chosen, raised):
    """After five wrong attempts at another one."""
    site = sites(otp_risk_raise="5e-6", otp_risk_lower="1e-6", otp_code_length_raised=raised, **chosen)
    number = site.number()
    assert len(site.sent(api, site.number())) == 6
    site.attacked(number)
    site.clock.advance(30)
    assert len(site.sent(api, number)) == int(raised)


# ---- limits of a client


@TURNS
def test_sends_of_all_apis_count_together(sites, turn):
    """And checks do not, where only OTP_CLIENT_LIMITS is set."""
    site = sites(otp_client_limits="2/day")
    for api in turned(turn)[:2]:
        site.sent(api, site.number())
    for api in APIS:
        assert_limited(api, site.ask(api, site.number()), "too_many_requests")
    assert 429 not in [site.attempt(api, site.number(), "123456").status_code for api in APIS * 2]


@TURNS
def test_checks_of_all_apis_count_together(sites, turn):
    """And sends do not, where only OTP_CHECK_LIMITS is set."""
    site = sites(otp_check_limits="2/day")
    for api in turned(turn)[:2]:
        assert site.attempt(api, site.number(), "123456").status_code in (400, 404)
    for api in APIS:
        assert_limited(api, site.attempt(api, site.number(), "123456"), "too_many_requests")
    for api in APIS:
        site.sent(api, site.number())


# ---- messages


@EACH
def test_the_reserve_of_callers_with_a_key(sites, api):
    """What strangers used up of a number's messages is not all, and what is left is no more than the reserve."""
    site = sites(**PUBLIC, otp_resend_gaps="", otp_sends_per_day="1", otp_keyed_reserve="1")
    number = site.number()
    site.sent("native", number)
    assert_limited("native", site.ask("native", number), "too_many_sends", 86_400)
    site.sent(api, number, "key")
    assert_limited(api, site.ask(api, number, "key"), "too_many_sends", 86_400)


@TURNS
@pytest.mark.parametrize(("caps", "wait"), [
    ({"otp_sends_per_hour": "3"}, 3600),
    ({"otp_sends_per_hour": "0", "otp_sends_per_day": "2", "otp_keyed_reserve": "1"}, 86_400),
])  # fmt: skip
def test_the_caps_are_one_for_callers_with_keys_and_accounts(sites, turn, caps, wait):
    """Three messages, each through another API: then none has any left."""
    site = sites(**KEYED, otp_resend_gaps="", **caps)
    number = site.number()
    for api in turned(turn)[:3]:
        site.sent(api, number, "key")
    for api in APIS:
        assert_limited(api, site.ask(api, number, "key"), "too_many_sends", wait)


@TURNS
def test_the_gap_grows_across_apis(sites, turn):
    """30, 60, 120, 300 and 300 seconds, whichever API sent; Verify has no gaps, but its messages make others wait."""
    site = sites(otp_sends_per_hour="0")
    number = site.number()
    for sender, gap in zip(cycle(turned(turn)), (30, 60, 120, 300, 300), strict=False):
        site.sent(sender, number)
        for api in APIS[:3]:
            assert_limited(api, site.ask(api, number), "resend_too_soon", gap)
        site.clock.advance(gap)


@pytest.mark.parametrize("others", [("native", "users"), ("users", "phone"), ("phone", "native")])
def test_the_messages_of_a_verification_are_five(sites, others):
    """Verify counts what other APIs sent of it; they have no such limit."""
    site = sites(**ENDLESS)
    number = site.number()
    codes = {site.sent(api, number) for api in (*others, *["verify_v2"] * 3)}
    assert len(codes) == 1
    assert_limited("verify_v2", site.ask("verify_v2", number), "too_many_sends", 600)
    for api in APIS[:3]:
        assert site.sent(api, number) in codes
    assert_limited("verify_v2", site.ask("verify_v2", number), "too_many_sends", 600)


@pytest.mark.parametrize("first", APIS)
@pytest.mark.parametrize("second", APIS)
def test_a_new_code_with_each_message(sites, first, second):
    """OTP_RESEND_NEW_CODE=1: whichever API sends again; the first code is no good any more."""
    site = sites(**ENDLESS, otp_resend_new_code="1")
    number = site.number()
    old, new = site.sent(first, number), site.sent(second, number)
    assert old != new
    assert not site.accepts(second, number, old)
    assert site.accepts(first, number, new)
