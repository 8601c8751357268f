"""All APIs of one server share the codes, attempts, caps and ends of a number."""

import base64
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle, islice, permutations, product
from urllib.parse import urlencode

import pytest

from tests.apis.phone.words_004 import NOT_VALID, TOO_MANY, said
from tests.apis.users.conftest import User, Users, serving_users
from tests.apis.users.words_001 import invalid, nothing, too_many
from tests.running import Answer
from tests.web.site import wrong

APIS = ("native", "users", "phone", "verify_v2")
SERVICE = "/v2/Services/VA" + "0" * 32
BASIC = base64.b64encode(f"AC{'0' * 32}:token".encode()).decode()
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Basic {BASIC}"}
GAP, LONGEST_GAP = 31, 301  # seconds, and one more: after the first message, and after the fourth


@dataclass
class Site:
    """The server, and the session tokens that the phone API gave."""

    users: Users
    tokens: dict[str, str] = field(default_factory=dict)

    def post(self, path: str, **fields: str) -> Answer:
        return self.users.server.post(path, fields)

    def verify(self, path: str, **form: str) -> Answer:
        return self.users.server.post(f"{SERVICE}/{path}", urlencode(form), FORM)

    def send(self, api: str, user: User) -> Answer:
        if api == "native":
            return self.post("/send-otp", phone_number=user.number)
        if api == "users":
            return self.post("/send-code", user_id=user.id)
        if api == "verify_v2":
            return self.verify("Verifications", To=user.number, Channel="sms")
        answer = self.post("/api/phone/register", phone_number=user.number)
        self.tokens[user.number] = answer.json.get("session_token", "")
        return answer

    def sent(self, api: str, user: User) -> str:
        assert self.send(api, user).status in (200, 201)
        return self.users.provider.code(user.number)

    def pending(self, sender: str, *others: str) -> tuple[User, str]:
        """A user with a code that an API sent; where the phone API is to check it, that one sent it again."""
        user = self.users.user()
        code = self.sent(sender, user)
        if sender != "phone" and "phone" in others:
            self.users.wait(GAP)
            assert self.sent("phone", user) == code
        return user, code

    def check(self, api: str, user: User, code: str) -> Answer:
        if api == "native":
            return self.post("/verify-otp", phone_number=user.number, otp=code)
        if api == "users":
            return self.post("/verify-code", user_id=user.id, passcode=code)
        if api == "verify_v2":
            return self.verify("VerificationCheck", To=user.number, Code=code)
        token = self.tokens.get(user.number, "a.b.c")
        return self.post("/api/phone/verify", phone_number=user.number, security_code=code, session_token=token)

    def accepts(self, api: str, user: User, code: str) -> bool:
        """Whether an API takes this code for the right one."""
        answer = self.check(api, user, code)
        return answer.status == 200 and bool(answer.json.get("valid", True))


@pytest.fixture(scope="module", params=["sqlite", "memory", "redis", "postgres"])
def site(request, tmp_path_factory, new_store):
    """One server with all APIs; each test has users of its own."""
    settings = {"OTP_APIS": ",".join(APIS), "store": new_store(request.param)}
    with serving_users(tmp_path_factory.mktemp("site"), **settings) as users:
        yield Site(users)


# ---- codes


@pytest.mark.parametrize(("sender", "checker"), list(product(APIS, APIS)))
def test_a_code_is_good_at_every_api_and_once(site, sender, checker):
    """Whoever sent it; what one API approved is used for all."""
    user, code = site.pending(sender, checker)
    assert site.accepts(checker, user, code)
    assert [api for api in APIS if site.accepts(api, user, code)] == []


def test_of_all_apis_at_once_one_accepts(site):
    user, code = site.pending("native", "phone")
    with ThreadPoolExecutor(len(APIS)) as together:
        assert sum(together.map(lambda api: site.accepts(api, user, code), APIS)) == 1


@pytest.mark.parametrize(("first", "second"), list(permutations(APIS, 2)))
def test_another_api_resends_the_same_code(site, first, second):
    """While it is pending, it is that of the number."""
    user = site.users.user()
    code = site.sent(first, user)
    site.users.wait(GAP)
    assert site.sent(second, user) == code
    assert [post.code for post in site.users.provider.posts if post.number == user.number] == [code, code]


# ---- wrong attempts


NATIVE_WORDS = 400, {"success": False, "message": "OTP verification failed!"}


def assert_wrong(api: str, user: User, answer: Answer, looked_at: int) -> None:
    """What an API says of a wrong attempt, of so many that were looked at, this one with them."""
    if api == "verify_v2":
        assert (answer.status, answer.json["status"], answer.json["valid"]) == (200, "pending", False)
    else:
        words = {"native": NATIVE_WORDS, "users": invalid(user.id, 3 - looked_at), "phone": NOT_VALID}
        assert said(answer) == words[api]


def assert_used_up(api: str, user: User, answer: Answer, reported: bool) -> None:
    """What an API says when it looks at no more attempts; `reported`: users has said so before."""
    if api == "verify_v2":
        assert (answer.status, answer.json["code"]) == (429, 60202)
    else:
        words = {"native": NATIVE_WORDS, "users": (nothing if reported else too_many)(user.id), "phone": TOO_MANY}
        assert said(answer) == words[api]


@pytest.mark.parametrize("turn", range(len(APIS)))
def test_wrong_attempts_are_five_in_all(site, turn):
    """Whichever API is first; users looks at three and no more. Each tells of them in its own words."""
    user, code = site.pending("native", "phone")
    looked_at, reported = 0, False
    for api in islice(cycle(APIS), turn, turn + 6):
        answer = site.check(api, user, wrong(code))
        if looked_at < (3 if api == "users" else 5):
            looked_at += 1
            assert_wrong(api, user, answer, looked_at)
        else:
            assert_used_up(api, user, answer, reported)
            reported = reported or api == "users"
    assert looked_at == 5
    for api in APIS:
        assert_used_up(api, user, site.check(api, user, code), reported)


@pytest.mark.parametrize("last", ["native", "phone", "verify_v2"])
def test_the_fifth_attempt_may_be_right(site, last):
    """Four wrong ones elsewhere take nothing else away."""
    user, code = site.pending("native", "phone")
    assert [api for api in APIS if site.accepts(api, user, wrong(code))] == []
    assert site.accepts(last, user, code)


@pytest.mark.parametrize("guesser", ["native", "phone", "verify_v2"])
def test_users_counts_what_others_looked_at(site, guesser):
    user, code = site.pending("users", guesser)
    assert [site.accepts(guesser, user, wrong(code)) for _ in range(3)] == [False] * 3
    assert site.check("users", user, code).status == 429
    assert site.accepts(guesser, user, code)


# ---- messages


@pytest.mark.parametrize(("first", "second"), list(permutations(APIS, 2)))
def test_the_gap_is_one(site, first, second):
    """A message of one API makes the others wait, but for Verify, which has no gaps of its own."""
    user = site.users.user()
    site.sent(first, user)
    assert site.send(second, user).status == (201 if second == "verify_v2" else 429)


@pytest.mark.parametrize(("sends", "apart"), [(5, LONGEST_GAP), (10, 3600 / 5 + 1)])
def test_the_caps_are_one(site, sends, apart):
    """Five messages in an hour and ten in a day, from whichever APIs: then none has any left."""
    user = site.users.user()
    for api in islice(cycle(APIS), sends):
        site.sent(api, user)
        site.users.wait(apart)
    assert [site.send(api, user).status for api in APIS] == [429] * 4


# ---- ends


@pytest.mark.parametrize("sender", APIS)
@pytest.mark.parametrize("status", ["canceled", "approved"])
def test_what_verify_ends_is_over_for_all(site, sender, status):
    user, code = site.pending(sender, "phone")
    assert site.verify(f"Verifications/{user.number}", Status=status).json["status"] == status
    assert [api for api in APIS if site.accepts(api, user, code)] == []


@pytest.mark.parametrize("sender", APIS)
def test_what_native_cancels_is_over_for_all(site, sender):
    user, code = site.pending(sender, "phone")
    sid = site.verify("Verifications", To=user.number, Channel="sms").json["sid"]
    assert site.users.server.call("DELETE", f"/verifications/{sid}").json["status"] == "canceled"
    assert [api for api in APIS if site.accepts(api, user, code)] == []
