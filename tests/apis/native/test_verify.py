"""POST /verify-otp."""

import pytest

from tests.web.site import wrong

FAILED = {"success": False, "message": "OTP verification failed!"}


def test_the_right_code_is_approved(site):
    """Success reads as it always did, and names the verification."""
    number = site.number()
    verification_id = site.send(number).json["verification_id"]
    answer = site.verify(number)
    assert answer.status_code == 200
    assert answer.json == {
        "success": True,
        "message": "OTP verification successful!",
        "status": "approved",
        "verification_id": verification_id,
    }


def test_wrong_expired_used_and_unknown_look_the_same(site):
    """A caller with a wrong code learns nothing from the answer, not even whether a code was ever sent."""
    number, other = site.number(), site.number()
    site.send(number)
    code = site.code()
    tries = [site.verify(number, wrong(code)), site.verify(other, code)]
    site.verify(number, code)
    tries.append(site.verify(number, code))
    site.send(other)
    code = site.code()
    site.clock.advance(300)
    tries.append(site.verify(other, code))
    tries.append(site.post("/verify-otp", {"phone_number": other, "otp": code, "purpose": "pay"}))
    tries.append(site.post("/verify-otp", {"verification_id": "VE" + "0" * 32, "otp": code}))
    for answer in tries:
        answer.headers.pop("X-Request-ID")
    looks = {(answer.status_code, answer.get_data(), str(answer.headers)) for answer in tries}
    assert len(looks) == 1
    assert (tries[0].status_code, tries[0].json) == (400, FAILED)


def test_a_code_lives_300_seconds(site):
    """In the last second it is good; at 300 it is not (see above)."""
    number = site.number()
    site.send(number)
    site.clock.advance(299.9)
    assert site.verify(number).status_code == 200


def test_four_wrong_attempts_do_not(site):
    """The fifth attempt may be the right one, and a resend gives no attempt back."""
    number = site.number()
    site.send(number)
    code = site.code()
    for _ in range(4):
        site.verify(number, wrong(code))
    site.clock.advance(31)
    site.send(number)
    assert site.verify(number, code).status_code == 200


@pytest.mark.parametrize("attempt", ["0000", "0000000000"])
def test_a_code_of_another_length_is_an_attempt(site, attempt):
    number = site.number()
    site.send(number)
    for _ in range(5):
        site.verify(number, attempt)
    assert site.verify(number).status_code == 400


def test_a_right_code_is_accepted_as_a_person_types_it(site):
    """With blanks, a hyphen, or the digits of another script."""
    number = site.number()
    site.send(number)
    code = site.code()
    arabic = "".join(chr(0x660 + int(digit)) for digit in code)
    assert site.verify(number, f" {arabic[:3]}-{arabic[3:]} ").status_code == 200


@pytest.mark.parametrize("text", ["000", "0" * 11, "12345a", "123456\n", "\u2460" * 6, "-123456", "1e5", "{code}"])
def test_what_cannot_be_a_code_counts_for_nothing(site, text):
    """Other text is refused like a wrong code, and spends no try."""
    number = site.number()
    site.send(number)
    for _ in range(6):
        answer = site.verify(number, text)
        assert (answer.status_code, answer.json) == (400, FAILED)
    assert site.verify(number).status_code == 200


@pytest.mark.parametrize("otp", [123456, 123456.0, True, ["123456"], {"$ne": ""}])
def test_a_code_of_another_type_is_refused(site, otp):
    """A code is a string: a number would lose its leading zeros. No try is spent."""
    number = site.number()
    site.send(number)
    for _ in range(6):
        answer = site.post("/verify-otp", {"phone_number": number, "otp": otp})
        assert (answer.status_code, answer.json["error"]) == (400, "otp: Input should be a valid string")
    assert site.verify(number).status_code == 200


def test_an_id_is_enough(site):
    """A caller that has the verification's id needs no number."""
    sent = site.send().json
    answer = site.post("/verify-otp", {"verification_id": sent["verification_id"], "otp": site.code()})
    assert answer.json["status"] == "approved"


def test_number_and_id_must_fit(site):
    """With both given, another number's id is no way in."""
    number, other = site.number(), site.number()
    sent = site.send(number).json
    body = {"phone_number": other, "verification_id": sent["verification_id"], "otp": site.code()}
    assert site.post("/verify-otp", body).json == FAILED
    assert site.post("/verify-otp", body | {"phone_number": number}).status_code == 200


def test_an_empty_id_is_refused(site):
    """It is no id, and no leave to check by the number alone."""
    number = site.number()
    site.send(number)
    body = {"phone_number": number, "verification_id": "", "otp": site.code()}
    assert site.post("/verify-otp", body).status_code == 400
    assert site.verify(number).status_code == 200


def test_a_code_is_for_its_purpose(site):
    number = site.number()
    site.post("/send-otp", {"phone_number": number, "purpose": "pay"})
    body = {"phone_number": number, "otp": site.code()}
    assert site.post("/verify-otp", body).json == FAILED
    assert site.post("/verify-otp", body | {"purpose": "pay"}).status_code == 200


def test_check_by_id_only_is_a_setting(open_site):
    """OTP_CHECK_BY=id: who only knows a number can spend nobody's tries."""
    site = open_site(otp_check_by="id")
    number = site.number()
    sent = site.send(number).json
    for _ in range(5):
        answer = site.verify(number, wrong(site.code()))
        assert (answer.status_code, answer.json["error"]) == (400, "verification_id is required")
    by_id = {"verification_id": sent["verification_id"], "otp": site.code()}
    assert site.post("/verify-otp", by_id).status_code == 200


def test_what_is_no_number_is_reported(site):
    """A number that cannot be one is an input error, not a failed check."""
    answer = site.verify("12", "123456")
    assert (answer.status_code, answer.json["error_type"]) == (400, "invalid_phone")
