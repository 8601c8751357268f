"""The contract of seed 001, a FastAPI server that sends codes to users by id: each line against a real server."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.apis.users.conftest import serving_users
from tests.apis.users.words_001 import expired, invalid, nothing, said, too_many
from tests.web.site import wrong

# ---- POST /send-code


def test_send_answers_success_with_a_masked_number(users):
    """The number of seed 001, which only a directory may name: it is possible, and in no use."""
    users.wait(7200)
    answer = users.send_code("abc")
    assert answer.status == 200
    sent = {"message": "OTP sent successfully via SMS", "user_id": "abc", "phone": "+1*******111"}
    assert sent.items() <= answer.json.items()
    assert "+11111111111" not in json.dumps(answer.json)
    assert users.verify_code("abc", users.provider.code("+11111111111")).status == 200


def test_the_message(users):
    """Word for word, from the number to the number."""
    user, code = users.coded()
    form = users.provider.messages[-1].form
    assert re.fullmatch("[0-9]{6}", code)
    assert form["Body"] == f"Your verification code is: {code}. This code expires in 5 minutes."
    assert (form["From"], form["To"]) == ("+15005550006", user.number)


def test_user_ids_in_any_case(users):
    """Lower-cased in every answer, and one user whatever the case."""
    user = users.user()
    answer = users.send_code(user.id.upper())
    assert (answer.status, answer.json["user_id"]) == (200, user.id)
    code = users.provider.code(user.number)
    assert said(users.verify_code(user.id.title(), wrong(code))) == invalid(user.id, 2)
    answer = users.verify_code(user.id.upper(), code)
    assert (answer.status, answer.json["user_id"]) == (200, user.id)


def test_send_to_nobody(users):
    before = len(users.provider.posts)
    assert said(users.send_code("stranger")) == (404, {"detail": "User not found"})
    assert said(users.send_code("nophone")) == (404, {"detail": "Phone number not found for user"})
    assert len(users.provider.posts) == before


@pytest.mark.parametrize("code", [21211, 21606, 21610])
def test_provider_failure_is_500_without_its_text(users, code):
    """Whoever's fault it is; nothing is to be verified then."""
    user = users.user()
    users.provider.fail(code, to=user.number, message=f"secret words about {user.number}")
    assert said(users.send_code(user.id)) == (500, {"detail": "Failed to send OTP via SMS"})
    assert said(users.verify_code(user.id, "123456")) == nothing(user.id)


def test_a_provider_that_hangs_up_is_no_failure(users):
    """Nobody knows whether the message went: 202, with the same keys."""
    user = users.user()
    users.provider.fail(0, to=user.number, drop=True)
    answer = users.send_code(user.id)
    assert (answer.status, answer.json["user_id"]) == (202, user.id)
    assert said(users.verify_code(user.id, "12345")) == invalid(user.id, 2)


def test_a_second_send_inside_the_gap(users):
    """429 with `detail`, and when to come back; the code on its way stays good."""
    user, code = users.coded()
    answer = users.send_code(user.id)
    assert (answer.status, type(answer.json["detail"])) == (429, str)
    assert int(answer.headers["Retry-After"]) in range(1, 31)
    assert users.verify_code(user.id, code).status == 200


def test_a_resend_sends_the_same_live_code(users):
    """The original made a new one; the text again tells what is left."""
    user, code = users.coded()
    users.wait(31)
    assert users.send_code(user.id).status == 200
    assert [post.code for post in users.provider.posts if post.number == user.number] == [code, code]
    assert users.verify_code(user.id, code).status == 200


# ---- POST /verify-code


def test_verify_the_right_code_once(users):
    """200 in these words; a second time there is nothing."""
    user, code = users.coded()
    verified = {"success": True, "message": "OTP verified successfully", "user_id": user.id}
    assert said(users.verify_code(user.id, code)) == (200, verified)
    assert [said(users.verify_code(user.id, code)) for _ in range(2)] == [nothing(user.id)] * 2


def test_three_wrong_codes(users):
    """2, 1, 0 attempts remaining; then 429 even for the right code; then nothing."""
    user, code = users.coded()
    assert [said(users.verify_code(user.id, wrong(code))) for _ in range(3)] == [invalid(user.id, n) for n in (2, 1, 0)]
    answer = users.verify_code(user.id, code)
    assert said(answer) == too_many(user.id)
    assert int(answer.headers["Retry-After"]) >= 1
    assert [said(users.verify_code(user.id, code)) for _ in range(2)] == [nothing(user.id)] * 2


def test_a_wrong_length_is_a_wrong_code(users):
    """4 to 10 digits can be an attempt, whatever the length of the code."""
    user, code = users.coded()
    assert said(users.verify_code(user.id, "1234")) == invalid(user.id, 2)
    assert said(users.verify_code(user.id, code + "0000")) == invalid(user.id, 1)
    assert users.verify_code(user.id, code).status == 200


@pytest.mark.parametrize("passcode", ["", "123", "12345678901", "abcdef", "123,56", "12345\u00b2", "-12345", "1" * 65])
def test_what_cannot_be_a_code_is_no_attempt(users, passcode):
    """422 as any field of a wrong form, before any look-up; no attempt is spent, and it is not repeated."""
    user, code = users.coded()
    for _ in range(4):
        answer = users.verify_code(user.id, passcode)
        assert answer.status == 422
        assert [fault["loc"] for fault in answer.json["detail"]] == [["body", "passcode"]]
        assert not passcode or passcode not in json.dumps(answer.json, ensure_ascii=False)
    assert said(users.verify_code(user.id, wrong(code))) == invalid(user.id, 2)


def test_an_expired_code(users):
    """Good for 300 seconds and no longer: 410 once, then nothing."""
    (early, early_code), (late, late_code) = users.coded(), users.coded()
    users.wait(285)
    assert users.verify_code(early.id, early_code).status == 200
    users.wait(60)
    assert said(users.verify_code(late.id, late_code)) == expired(late.id)
    assert [said(users.verify_code(late.id, late_code)) for _ in range(2)] == [nothing(late.id)] * 2


def test_an_expired_code_is_reported_to_one_of_many(users):
    user, code = users.coded()
    users.wait(301)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: users.verify_code(user.id, code).status, range(8)))
    assert sorted(answers) == [404] * 7 + [410]


def test_an_expired_code_after_an_attempt(users):
    user, code = users.coded()
    assert said(users.verify_code(user.id, wrong(code))) == invalid(user.id, 2)
    users.wait(301)
    assert said(users.verify_code(user.id, wrong(code))) == expired(user.id)


def test_verify_where_nothing_was_sent(users):
    """A user without a code, one without a number and nobody cannot be distinguished by it."""
    for user_id in (users.user().id, "nophone", "stranger"):
        assert said(users.verify_code(user_id, "123456")) == nothing(user_id)


def test_a_new_send_does_not_reset_the_attempts(users):
    """Other than in the original: a third wrong attempt is the last one, whatever was sent between."""
    user, code = users.coded()
    assert [users.verify_code(user.id, wrong(code)).status for _ in range(2)] == [400, 400]
    users.wait(31)
    assert users.send_code(user.id).status == 200
    assert said(users.verify_code(user.id, wrong(code))) == invalid(user.id, 0)
    assert said(users.verify_code(user.id, code)) == too_many(user.id)


@pytest.mark.parametrize("checks", [3, 4, 5])
def test_a_new_code_after_the_last_attempt(users, checks):
    """Whatever was reported of the old one, the next one that is sent can be verified."""
    user, code = users.coded()
    for _ in range(checks):
        users.verify_code(user.id, wrong(code))
    users.wait(61)
    assert users.send_code(user.id).status == 200
    assert users.verify_code(user.id, users.provider.code(user.number)).status == 200


def test_a_new_code_after_the_old_one_expired(users):
    """With three attempts of its own, and an end that is reported once more."""
    user, code = users.coded()
    assert users.verify_code(user.id, wrong(code)).status == 400
    users.wait(301)
    assert said(users.verify_code(user.id, code)) == expired(user.id)
    assert users.send_code(user.id).status == 200
    assert said(users.verify_code(user.id, wrong(users.provider.code(user.number)))) == invalid(user.id, 2)
    users.wait(301)
    assert said(users.verify_code(user.id, code)) == expired(user.id)


# ---- and the rest


def test_the_root_lists_the_endpoints(users):
    answer = users.server.call("GET", "/")
    assert answer.status == 200
    assert {"/send-code", "/verify-code"} <= set(re.findall(r"/[a-z]+-code", json.dumps(answer.json)))


def test_neither_codes_nor_numbers_are_logged(users):
    """Of all that was sent to this server, and of what the provider said."""
    user, code = users.coded()
    users.verify_code(user.id, wrong(code))
    users.assert_nothing_is_logged()


# ---- the lines of its README

THERE = "localhost:8000"
SEND = """curl -X POST "http://localhost:8000/send-code" \\
     -H "Content-Type: application/json" \\
     -d '{
       "user_id": "abc"
     }'
"""
VERIFY = """curl -X POST "http://localhost:8000/verify-code" \\
     -H "Content-Type: application/json" \\
     -d '{
       "user_id": "abc",
       "passcode": "123456"
     }'
"""


@pytest.mark.slow
def test_the_lines_of_the_readme(tmp_path):
    """With the answers as printed, the whole number among them: OTP_USERS_EXPOSE_PHONE=1."""
    with serving_users(tmp_path, OTP_USERS_EXPOSE_PHONE="1") as users:
        sent = {"message": "OTP sent successfully via SMS", "user_id": "abc", "phone": "+11111111111"}
        assert sent.items() <= users.curl(SEND, where=THERE).items()
        code = users.provider.code("+11111111111")
        assert users.curl(VERIFY, wrong(code), where=THERE) == invalid("abc", 2)[1]
        verified = {"success": True, "message": "OTP verified successfully", "user_id": "abc"}
        assert users.curl(VERIFY, code, where=THERE) == verified
