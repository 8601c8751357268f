"""The contract of seed 003, a Flask server that sends codes by WhatsApp: each line against a real server."""

import json
import re

import pytest

from tests.running import call
from tests.web.site import wrong

SENT = {"success": True, "message": "OTP sent successfully!"}
VERIFIED = {"success": True, "message": "OTP verification successful!"}
FAILED = {"success": False, "message": "OTP verification failed!"}
SENDS = pytest.mark.parametrize("path", ["/send-otp", "/resend-otp"])
PATHS = pytest.mark.parametrize("path", ["/send-otp", "/resend-otp", "/verify-otp"])


# ---- POST /send-otp and /resend-otp


@SENDS
def test_send_and_resend_answer_success(seed, path):
    answer = seed.server.post(path, {"phone_number": seed.number()})
    assert answer.status == 200
    assert SENT.items() <= answer.json.items()


@SENDS
@pytest.mark.parametrize("body", [{}, {"phone_number": ""}, {"phone_number": None}, {"phone": "+14155552671"}])
def test_send_without_a_number(seed, path, body):
    """400 {"error": "Phone number is required"}, and no message."""
    before = len(seed.provider.posts)
    answer = seed.server.post(path, body)
    assert (answer.status, answer.json["error"]) == (400, "Phone number is required")
    assert len(seed.provider.posts) == before


@SENDS
@pytest.mark.parametrize(("code", "status"), [(63007, 503), (63003, 422), (21610, 403)])
def test_provider_failure_is_an_error_without_its_text(seed, path, code, status):
    """The key `error` stays; the status says whose fault it is, and nothing of Twilio's text or the number is shown."""
    number = seed.number()
    seed.provider.fail(code, to=f"whatsapp:{number}", message=f"secret words about {number}")
    answer = seed.server.post(path, {"phone_number": number})
    assert (answer.status, answer.json["error"]) == (status, "The message could not be sent")
    shown = json.dumps(answer.json) + str(answer.headers)
    assert "secret words" not in shown
    assert number.removeprefix("+") not in shown


def test_a_provider_that_hangs_up_is_no_failure(seed):
    """Nobody knows whether the message went: 202, and the code is good if it did."""
    number = seed.number()
    seed.provider.fail(0, to=f"whatsapp:{number}", drop=True)
    answer = seed.server.post("/send-otp", {"phone_number": number})
    assert (answer.status, answer.json["delivery"]) == (202, "unknown")


# ---- POST /verify-otp


def test_verify_the_right_code(seed):
    """200, with the two keys as they were."""
    answer = seed.verify(*seed.sent())
    assert answer.status == 200
    assert VERIFIED.items() <= answer.json.items()


def test_verify_a_wrong_code(seed):
    number, code = seed.sent()
    answer = seed.verify(number, wrong(code))
    assert (answer.status, answer.json) == (400, FAILED)


def test_verify_an_unknown_number(seed):
    answer = seed.verify(seed.number(), "123456")
    assert (answer.status, answer.json) == (400, FAILED)


def test_verify_an_expired_code(seed):
    """Good for 300 seconds and no longer; the answer is that of a wrong one."""
    early, late = seed.sent(), seed.sent()
    seed.wait(285)
    assert seed.verify(*early).status == 200
    seed.wait(60)
    answer = seed.verify(*late)
    assert (answer.status, answer.json) == (400, FAILED)


@pytest.mark.parametrize("body", [
    {}, {"otp": "123456"}, {"phone_number": "+14155552671"}, {"phone_number": "+14155552671", "otp": ""},
    {"phone_number": "", "otp": "123456"}, {"phone_number": None, "otp": None},
])  # fmt: skip
def test_verify_with_either_missing(seed, body):
    """400 {"error": "Both OTP and phone number are required"}."""
    answer = seed.server.post("/verify-otp", body)
    assert (answer.status, answer.json["error"]) == (400, "Both OTP and phone number are required")


def test_generated_otp_is_accepted_and_ignored(seed):
    """What the client claims was generated decides nothing, for it or against it."""
    number, code = seed.sent()
    body = {"phone_number": number, "otp": wrong(code), "generated_otp": wrong(code)}
    assert seed.server.post("/verify-otp", body).json == FAILED
    assert seed.server.post("/verify-otp", body | {"otp": code}).status == 200


# ---- the message


def test_the_message_and_its_addresses(seed):
    """`Your OTP is: NNNNNN`, from the sandbox's sender to the number, both by WhatsApp."""
    number, code = seed.sent()
    form = seed.provider.messages[-1].form
    assert re.fullmatch("[0-9]{6}", code)
    assert (form["Body"], form["From"]) == (f"Your OTP is: {code}", "whatsapp:+14155238886")
    assert form["To"] == f"whatsapp:{number}"
    assert int(form["ValidityPeriod"]) in range(295, 301)


def test_codes_keep_leading_zeros(seed):
    """One code in ten begins with a zero; it is sent and checked with it."""
    found = ("", "")
    for _ in range(250):
        found = seed.sent()
        if found[1].startswith("0"):
            break
    number, code = found
    assert re.fullmatch("0[0-9]{5}", code)
    assert seed.verify(number, code.lstrip("0") or "0").status == 400
    assert seed.verify(number, code).status == 200


# ---- other requests


@PATHS
def test_get_is_405(seed, path):
    answer = seed.server.call("GET", path)
    assert (answer.status, answer.json["status"]) == (405, 405)
    assert "POST" in answer.headers["Allow"]


@PATHS
@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", ""])
def test_another_content_type_is_415(seed, path, content_type):
    answer = call(seed.server.port, "POST", path, "phone_number=1", {"Content-Type": content_type})
    assert (answer.status, answer.json["error_type"]) == (415, "unsupported_media_type")


@PATHS
@pytest.mark.parametrize("body", ["", "{", "phone", "{'phone_number': '1'}"])
def test_bad_json_is_400(seed, path, body):
    answer = seed.server.post(path, body)
    assert (answer.status, answer.json["error"]) == (400, "The body is not valid JSON")


# ---- the lines of its README


def test_the_three_lines_of_the_readme(seed):
    """Its placeholders filled in; the third has a number of its own."""
    seed.wait(7200)
    post = 'curl -X POST -H "Content-Type: application/json" -d '
    sent = seed.curl(post + """'{"phone_number": "+919812345678"}' http://127.0.0.1:5000/send-otp""")
    code = seed.provider.code("+919812345678")
    body = f"""'{{"phone_number": "+919812345678", "otp": "{code}", "generated_otp": "{code}"}}'"""
    verified = seed.curl(f"{post}{body} http://127.0.0.1:5000/verify-otp")
    resent = seed.curl(post + """'{"phone_number": "+918169986162"}' http://127.0.0.1:5000/resend-otp""")
    assert SENT.items() <= sent.items()
    assert VERIFIED.items() <= verified.items()
    assert SENT.items() <= resent.items()


# ---- and nothing of it in the log


def test_neither_codes_nor_numbers_are_logged(seed):
    """Of all that was sent to this server, and of what the provider said."""
    number, code = seed.sent()
    seed.verify(number, wrong(code))
    seed.assert_nothing_is_logged()
