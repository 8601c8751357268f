"""The contract of seed 004, a Django application that verifies phones: each line against a real server."""

import json
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest

from tests.apis.phone.words_004 import BAD_PHONE, EXPIRED, NOT_VALID, TOO_MANY, USED, VERIFIED, said, throttled
from tests.web.site import wrong

# ---- POST /api/phone/register


def test_register_answers_a_session_token(phones):
    """A JSON Web Token with the two claims, signed as it always was."""
    number = phones.number()
    answer = phones.register(number)
    assert (answer.status, list(answer.json)) == (200, ["session_token"])
    token = answer.json["session_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (list(claims), claims["phone_number"]) == (["phone_number", "nonce"], number)
    assert jwt.get_unverified_header(token)["alg"] == "HS256"
    assert phones.provider.code(number) not in json.dumps(claims)


def test_one_number_in_many_spellings(phones):
    """Registered in one, verified in another; the token has the one that holds."""
    number = phones.number()
    spelled = f" {number[:2]} ({number[2:5]}) {number[5:8]}-{number[8:]} "
    token = phones.token(spelled)
    assert jwt.decode(token, options={"verify_signature": False})["phone_number"] == number
    assert said(phones.check(f"{number[:5]} {number[5:]}", token, phones.provider.code(number))) == VERIFIED


def test_register_again_sends_the_same_live_code(phones):
    """With a new token; the older one stays good. In the original both codes and tokens of before were dead."""
    for use_older in (True, False):
        number, older, code = phones.registered()
        phones.wait(31)
        newer = phones.token(number)
        assert newer != older
        assert [post.code for post in phones.provider.posts if post.number == number] == [code, code]
        assert said(phones.check(number, older if use_older else newer, code)) == VERIFIED


def test_register_again_inside_the_gap(phones):
    """429, and when to come back; the first code and token stay good."""
    number, token, code = phones.registered()
    answer = phones.register(number)
    assert throttled(answer)
    assert int(answer.headers["Retry-After"]) in range(1, 31)
    assert said(phones.check(number, token, code)) == VERIFIED


@pytest.mark.parametrize("fault", [21211, 21606, 21610])
def test_provider_failure_is_only_logged(phones, fault):
    """200 with a token all the same, whoever's fault it is; it opens nothing."""
    number = phones.number()
    phones.provider.fail(fault, to=number, message=f"secret words about {number}")
    token = phones.token(number)
    assert len([post for post in phones.provider.posts if post.number == number]) == 0
    assert said(phones.check(number, token, "123456")) == NOT_VALID
    assert f'"provider_code": {fault}' in phones.server.log()


def test_a_number_that_was_refused_is_not_tried_again(phones):
    """For a while nothing begins for it, and the answer is the same."""
    number = phones.number()
    phones.provider.fail(21211, to=number)
    first = phones.token(number)
    phones.wait(31)
    second = phones.token(number)
    assert [post for post in phones.provider.posts if post.number == number] == []
    assert len(first) == len(second)
    assert {said(phones.check(number, token, "123456"))[0] for token in (first, second)} == {400}


def test_a_refused_message_leaves_the_code_that_the_user_has(phones):
    """The token of the failed one opens it as well: it is the same verification."""
    number, _, code = phones.registered()
    phones.wait(31)
    phones.provider.fail(21606, to=number)
    assert said(phones.check(number, phones.token(number), code)) == VERIFIED


def test_a_provider_that_hangs_up_is_no_failure(phones):
    """Nobody knows whether the message went: the code can be checked."""
    number = phones.number()
    phones.provider.fail(0, to=number, drop=True)
    token = phones.token(number)
    assert [said(phones.check(number, token, "12345")) for _ in range(6)] == [NOT_VALID] * 5 + [TOO_MANY]


@pytest.mark.parametrize(("language", "text"), [
    ("es", "Tu código es: "), ("es-MX,en;q=0.9", "Tu código es: "), ("es;q=0.1, pt-BR", "Tu código es: "),
    ("pt-BR, es", "Seu código é: "), (" PT-br ;q=0.5", "Seu código é: "), ("es-u-ms-metric, en", "Tu código es: "),
    ("es_MX", "Tu código es: "),
])  # fmt: skip
def test_the_first_language_picks_the_text(phones, language, text):
    """The first tag of Accept-Language, whatever its q says."""
    number = phones.number()
    assert phones.register(number, {"Accept-Language": language}).status == 200
    assert phones.provider.messages[-1].form["Body"] == text + phones.provider.code(number)


@pytest.mark.parametrize("language", ["", "*", "de, es", ",es", "\xe4", "e" * 101, "-"])
def test_without_a_text_in_that_language(phones, language):
    """The usual one, whatever the header is."""
    number = phones.number()
    assert phones.register(number, {"Accept-Language": language}).status == 200
    assert phones.provider.messages[-1].form["Body"] == f"Your OTP is: {phones.provider.code(number)}"


@pytest.mark.parametrize("number", [
    "abc", "+1", "4155552671", "+14155552671x5", "+1415555267\uff11", "1" * 50, "1" * 5000, "+19005550123",
])  # fmt: skip
def test_a_number_that_is_none(phones, number):
    """400 in these words, for one that no message can reach too; and no message."""
    before = len(phones.provider.posts)
    assert said(phones.register(number)) == (400, {"phone_number": [BAD_PHONE]})
    assert len(phones.provider.posts) == before


def test_a_repeated_request_sends_one_message(phones):
    """With Idempotency-Key: each answer has a token of its own, and each opens the verification."""
    number, again = phones.number(), {"Idempotency-Key": "once"}
    answers = [phones.register(number, again) for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3
    assert len({answer.json["session_token"] for answer in answers}) == 3
    assert len([post for post in phones.provider.posts if post.number == number]) == 1
    token = answers[-1].json["session_token"]
    assert said(phones.check(number, token, phones.provider.code(number))) == VERIFIED
    other = phones.register(phones.number(), again)
    assert (other.status, list(other.json)) == (422, ["detail"])


# ---- POST /api/phone/verify


def test_verify_the_right_code_once(phones):
    """200 in these words; after that it is already verified."""
    number, token, code = phones.registered()
    assert said(phones.check(number, token, code)) == VERIFIED
    assert [said(phones.check(number, token, code)) for _ in range(2)] == [USED] * 2


def test_blanks_around_a_code_do_no_harm(phones):
    number, token, code = phones.registered()
    assert said(phones.check(f" {number}", f"{token}\n", f" {code} ")) == VERIFIED


def test_of_many_right_codes_one_is_accepted(phones):
    number, token, code = phones.registered()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: said(phones.check(number, token, code)), range(8)))
    assert sorted(answers, key=str) == [VERIFIED] + [USED] * 7


def test_five_wrong_codes(phones):
    """Not valid, five times; then too many, even for the right code and with a new token."""
    number, token, code = phones.registered()
    phones.wait(31)
    newer = phones.token(number)
    assert [said(phones.check(number, token, wrong(code))) for _ in range(5)] == [NOT_VALID] * 5
    assert [said(phones.check(number, shown, code)) for shown in (token, newer)] == [TOO_MANY] * 2


def test_a_new_code_after_too_many(phones):
    """Its token opens it, and the old one does not."""
    number, token, code = phones.registered()
    assert [said(phones.check(number, token, wrong(code))) for _ in range(5)] == [NOT_VALID] * 5
    phones.wait(61)
    newer = phones.token(number)
    assert said(phones.check(number, token, phones.provider.code(number))) == TOO_MANY
    assert said(phones.check(number, newer, phones.provider.code(number))) == VERIFIED


def test_a_wrong_length_is_a_wrong_code(phones):
    """4 to 10 digits can be an attempt, whatever the length of the code."""
    number, token, code = phones.registered()
    attempts = ["1234", code + "0000", code[:5], code + "0", "0000000000"]
    assert [said(phones.check(number, token, attempt)) for attempt in attempts] == [NOT_VALID] * 5
    assert said(phones.check(number, token, code)) == TOO_MANY


@pytest.mark.parametrize("attempt", ["123", "12345678901", "abcdef", "123,56", "12345\u00b2", "-12345", "1" * 3000])
def test_what_cannot_be_a_code_is_no_attempt(phones, attempt):
    number, token, code = phones.registered()
    assert [said(phones.check(number, token, attempt)) for _ in range(6)] == [NOT_VALID] * 6
    assert said(phones.check(number, token, code)) == VERIFIED


def test_an_expired_code(phones):
    """Good for 300 seconds and no longer; the right code and a wrong one get the same answer."""
    early, late = phones.registered(), phones.registered()
    phones.wait(285)
    assert said(phones.check(*early)) == VERIFIED
    phones.wait(60)
    assert said(phones.check(*late)) == EXPIRED
    assert said(phones.check(*late[:2], wrong(late[2]))) == EXPIRED


# ---- the session token


def test_without_its_token_a_code_is_not_valid(phones):
    """And no try is spent, whatever comes in its place: only who holds the token can use them up."""
    number, token, code = phones.registered()
    _, stranger, _ = phones.registered()
    claims = jwt.decode(token, options={"verify_signature": False})
    kid = {"kid": jwt.get_unverified_header(token)["kid"]}
    bad = [
        "123456", "a.b.c", "é" * 20, "\ud83d\ude00", token[:-1], token + "A", token.replace(".", ""), stranger,
        "A" * 1025, "A" * 7000, f"{token}.{token}",
        jwt.encode(claims, b"0" * 32, "HS256", kid), jwt.encode(claims, b"0" * 32, "HS256"),
        jwt.encode(claims, None, "none", kid), jwt.encode(claims, b"0" * 64, "HS512", kid),
        jwt.encode({"phone_number": number}, b"0" * 32, "HS256", kid),
    ]  # fmt: skip
    assert [said(phones.check(number, forged, code)) for forged in bad] == [NOT_VALID] * len(bad)
    assert said(phones.check(number, token, code)) == VERIFIED


def test_a_token_opens_its_own_number(phones):
    """With the code of either, it does not open another's."""
    (one, one_token, one_code), (two, two_token, two_code) = phones.registered(), phones.registered()
    for code in (one_code, two_code):
        assert said(phones.check(one, two_token, code)) == NOT_VALID
        assert said(phones.check(two, one_token, code)) == NOT_VALID
    assert said(phones.check(one, one_token, one_code)) == VERIFIED
    assert said(phones.check(two, two_token, two_code)) == VERIFIED


def test_a_token_opens_its_own_verification(phones):
    """After it was used or expired, the code of the next one needs the next one's token."""
    (used, used_token, used_code), (late, late_token, _) = phones.registered(), phones.registered()
    assert said(phones.check(used, used_token, used_code)) == VERIFIED
    phones.wait(301)
    for number, old_token, expected in ((used, used_token, USED), (late, late_token, EXPIRED)):
        new_token = phones.token(number)
        new_code = phones.provider.code(number)
        assert said(phones.check(number, old_token, new_code)) == expected
        assert said(phones.check(number, new_token, new_code)) == VERIFIED


def test_without_a_token_nothing_is_learnt_of_a_number(phones):
    """One with a code, one whose code is used, one that expired and one of nobody: the same words, no header more."""
    late, _, _ = phones.registered()
    phones.wait(301)
    pending, _, _ = phones.registered()
    used, token, code = phones.registered()
    assert said(phones.check(used, token, code)) == VERIFIED
    answers = [phones.check(number, "a.b.c", code) for number in (late, pending, used, phones.number(), "+14155550000")]
    assert [said(answer) for answer in answers] == [NOT_VALID] * 5
    assert len({tuple(sorted(name for name, _ in answer.headers.items())) for answer in answers}) == 1


# ---- the native API beside it


def test_a_canceled_verification_is_not_valid(phones):
    number, code = phones.sent()
    phones.wait(31)
    answer = phones.server.post("/resend-otp", {"phone_number": number})
    phones.wait(61)
    token = phones.token(number)
    assert phones.server.call("DELETE", f"/verifications/{answer.json['verification_id']}").status == 200
    assert said(phones.check(number, token, code)) == NOT_VALID


# ---- and nothing of it in the log


def test_neither_codes_nor_numbers_nor_tokens_are_logged(phones):
    """Of all that was sent to this server, and of what the provider said."""
    number, token, code = phones.registered()
    phones.check(number, token, wrong(code))
    phones.assert_nothing_is_logged()
    assert "eyJ" not in phones.server.log()
