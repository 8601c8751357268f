"""All faces on one server are doors of one house: codes, tries, caps and ends are those of the number."""

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
from tests.web.house import wrong

FACES = ("native", "users", "phone", "verify_v2")
SERVICE = "/v2/Services/VA" + "0" * 32
BASIC = base64.b64encode(f"AC{'0' * 32}:token".encode()).decode()
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Basic {BASIC}"}
GAP, LONGEST_GAP = 31, 301  # seconds, and one more: after the first message, and after the fourth


@dataclass
class House:
    """The server, and the session tokens that the phone face gave."""

    users: Users
    tokens: dict[str, str] = field(default_factory=dict)

    def post(self, path: str, **fields: str) -> Answer:
        return self.users.server.post(path, fields)

    def verify(self, path: str, **form: str) -> Answer:
        """As Twilio's clients ask."""
        return self.users.server.post(f"{SERVICE}/{path}", urlencode(form), FORM)

    def send(self, face: str, user: User) -> Answer:
        """Ask a face for a code."""
        if face == "native":
            return self.post("/send-otp", phone_number=user.number)
        if face == "users":
            return self.post("/send-code", user_id=user.id)
        if face == "verify_v2":
            return self.verify("Verifications", To=user.number, Channel="sms")
        answer = self.post("/api/phone/register", phone_number=user.number)
        self.tokens[user.number] = answer.json.get("session_token", "")
        return answer

    def sent(self, face: str, user: User) -> str:
        """The code that a face sends when it may."""
        assert self.send(face, user).status in (200, 201)
        return self.users.provider.code(user.number)

    def pending(self, sender: str, *others: str) -> tuple[User, str]:
        """A user with a code that a face sent; where the phone face is to check it, that one sent it again."""
        user = self.users.user()
        code = self.sent(sender, user)
        if sender != "phone" and "phone" in others:
            self.users.wait(GAP)
            assert self.sent("phone", user) == code
        return user, code

    def check(self, face: str, user: User, code: str) -> Answer:
        """Try a code."""
        if face == "native":
            return self.post("/verify-otp", phone_number=user.number, otp=code)
        if face == "users":
            return self.post("/verify-code", user_id=user.id, passcode=code)
        if face == "verify_v2":
            return self.verify("VerificationCheck", To=user.number, Code=code)
        token = self.tokens.get(user.number, "a.b.c")
        return self.post("/api/phone/verify", phone_number=user.number, security_code=code, session_token=token)

    def accepts(self, face: str, user: User, code: str) -> bool:
        """Whether a face takes this code for the right one."""
        answer = self.check(face, user, code)
        return answer.status == 200 and bool(answer.json.get("valid", True))


@pytest.fixture(scope="module", params=["sqlite", "memory", "redis", "postgres"])
def house(request, tmp_path_factory, new_store):
    """One server with all faces; each test has users of its own."""
    settings = {"OTP_APIS": ",".join(FACES), "store": new_store(request.param)}
    with serving_users(tmp_path_factory.mktemp("house"), **settings) as users:
        yield House(users)


# ---- codes


@pytest.mark.parametrize(("sender", "checker"), list(product(FACES, FACES)))
def test_a_code_is_good_at_every_door_and_once(house, sender, checker):
    """Whoever sent it; what one face approved is used for all."""
    user, code = house.pending(sender, checker)
    assert house.accepts(checker, user, code)
    assert [face for face in FACES if house.accepts(face, user, code)] == []


def test_of_all_doors_at_once_one_opens(house):
    """The same code at four faces in the same moment."""
    user, code = house.pending("native", "phone")
    with ThreadPoolExecutor(len(FACES)) as together:
        assert sum(together.map(lambda face: house.accepts(face, user, code), FACES)) == 1


@pytest.mark.parametrize(("first", "second"), list(permutations(FACES, 2)))
def test_another_face_resends_the_same_code(house, first, second):
    """While it is pending, it is that of the number."""
    user = house.users.user()
    code = house.sent(first, user)
    house.users.wait(GAP)
    assert house.sent(second, user) == code
    assert [post.code for post in house.users.provider.posts if post.number == user.number] == [code, code]


# ---- wrong guesses


NATIVE_WORDS = 400, {"success": False, "message": "OTP verification failed!"}


def assert_wrong(face: str, user: User, answer: Answer, looked_at: int) -> None:
    """What a face says of a wrong guess, of so many that were looked at, this one with them."""
    if face == "verify_v2":
        assert (answer.status, answer.json["status"], answer.json["valid"]) == (200, "pending", False)
    else:
        words = {"native": NATIVE_WORDS, "users": invalid(user.id, 3 - looked_at), "phone": NOT_VALID}
        assert said(answer) == words[face]


def assert_used_up(face: str, user: User, answer: Answer, told: bool) -> None:
    """What a face says when it looks at no more guesses; `told`: users has said so before."""
    if face == "verify_v2":
        assert (answer.status, answer.json["code"]) == (429, 60202)
    else:
        words = {"native": NATIVE_WORDS, "users": (nothing if told else too_many)(user.id), "phone": TOO_MANY}
        assert said(answer) == words[face]


@pytest.mark.parametrize("turn", range(len(FACES)))
def test_wrong_guesses_are_five_in_all(house, turn):
    """Whichever face is first; users looks at three and no more. Each tells of them in its own words."""
    user, code = house.pending("native", "phone")
    looked_at, told = 0, False
    for face in islice(cycle(FACES), turn, turn + 6):
        answer = house.check(face, user, wrong(code))
        if looked_at < (3 if face == "users" else 5):
            looked_at += 1
            assert_wrong(face, user, answer, looked_at)
        else:
            assert_used_up(face, user, answer, told)
            told = told or face == "users"
    assert looked_at == 5
    for face in FACES:
        assert_used_up(face, user, house.check(face, user, code), told)


@pytest.mark.parametrize("last", ["native", "phone", "verify_v2"])
def test_the_fifth_guess_may_be_right(house, last):
    """Four wrong ones elsewhere take nothing else away."""
    user, code = house.pending("native", "phone")
    assert [face for face in FACES if house.accepts(face, user, wrong(code))] == []
    assert house.accepts(last, user, code)


@pytest.mark.parametrize("guesser", ["native", "phone", "verify_v2"])
def test_users_counts_what_others_looked_at(house, guesser):
    """Three guesses elsewhere are its three."""
    user, code = house.pending("users", guesser)
    assert [house.accepts(guesser, user, wrong(code)) for _ in range(3)] == [False] * 3
    assert house.check("users", user, code).status == 429
    assert house.accepts(guesser, user, code)


# ---- messages


@pytest.mark.parametrize(("first", "second"), list(permutations(FACES, 2)))
def test_the_gap_is_one(house, first, second):
    """A message of one face makes the others wait, but for Verify, which has no gaps of its own."""
    user = house.users.user()
    house.sent(first, user)
    assert house.send(second, user).status == (201 if second == "verify_v2" else 429)


@pytest.mark.parametrize(("sends", "apart"), [(5, LONGEST_GAP), (10, 3600 / 5 + 1)])
def test_the_caps_are_one(house, sends, apart):
    """Five messages in an hour and ten in a day, from whichever faces: then none has any left."""
    user = house.users.user()
    for face in islice(cycle(FACES), sends):
        house.sent(face, user)
        house.users.wait(apart)
    assert [house.send(face, user).status for face in FACES] == [429] * 4


# ---- ends


@pytest.mark.parametrize("sender", FACES)
@pytest.mark.parametrize("status", ["canceled", "approved"])
def test_what_verify_ends_is_over_for_all(house, sender, status):
    """Whoever sent the code."""
    user, code = house.pending(sender, "phone")
    assert house.verify(f"Verifications/{user.number}", Status=status).json["status"] == status
    assert [face for face in FACES if house.accepts(face, user, code)] == []


@pytest.mark.parametrize("sender", FACES)
def test_what_native_cancels_is_over_for_all(house, sender):
    """By the id, which Verify tells too."""
    user, code = house.pending(sender, "phone")
    sid = house.verify("Verifications", To=user.number, Channel="sms").json["sid"]
    assert house.users.server.call("DELETE", f"/verifications/{sid}").json["status"] == "canceled"
    assert [face for face in FACES if house.accepts(face, user, code)] == []
