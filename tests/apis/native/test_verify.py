"""POST /verify-otp."""

import pytest

from tests.web.house import wrong

FAILED = {"success": False, "message": "OTP verification failed!"}


def test_the_right_code_is_approved(house):
    """Success reads as it always did, and names the verification."""
    number = house.number()
    verification_id = house.send(number).json["verification_id"]
    answer = house.verify(number)
    assert answer.status_code == 200
    assert answer.json == {
        "success": True,
        "message": "OTP verification successful!",
        "status": "approved",
        "verification_id": verification_id,
    }


def test_a_code_works_once(house):
    """The second use of a right code fails."""
    number = house.number()
    house.send(number)
    assert [house.verify(number).status_code for _ in range(2)] == [200, 400]


def test_wrong_expired_used_and_unknown_look_the_same(house):
    """Whoever guesses learns nothing from the answer: not even whether a code was ever sent."""
    number, other = house.number(), house.number()
    house.send(number)
    code = house.code()
    tries = [house.verify(number, wrong(code)), house.verify(other, code)]
    house.verify(number, code)
    tries.append(house.verify(number, code))
    house.send(other)
    code = house.code()
    house.clock.advance(300)
    tries.append(house.verify(other, code))
    tries.append(house.post("/verify-otp", {"phone_number": other, "otp": code, "purpose": "pay"}))
    tries.append(house.post("/verify-otp", {"verification_id": "VE" + "0" * 32, "otp": code}))
    looks = {(answer.status_code, answer.get_data(), str(answer.headers)) for answer in tries}
    assert len(looks) == 1
    assert (tries[0].status_code, tries[0].json) == (400, FAILED)


def test_a_code_lives_300_seconds(house):
    """In the last second it is good; at 300 it is not (see above)."""
    number = house.number()
    house.send(number)
    house.clock.advance(299.9)
    assert house.verify(number).status_code == 200


def test_five_wrong_guesses_end_a_verification(house):
    """After the fifth wrong code the right one is refused as well."""
    number = house.number()
    house.send(number)
    code = house.code()
    for _ in range(5):
        assert house.verify(number, wrong(code)).status_code == 400
    assert house.verify(number, code).json == FAILED


def test_four_wrong_guesses_do_not(house):
    """The fifth guess may be the right one, and a resend gives no guess back."""
    number = house.number()
    house.send(number)
    code = house.code()
    for _ in range(4):
        house.verify(number, wrong(code))
    house.clock.advance(31)
    house.send(number)
    assert house.verify(number, code).status_code == 200


@pytest.mark.parametrize("guess", ["0000", "0000000000"])
def test_a_code_of_another_length_is_a_guess(house, guess):
    """Four to ten digits count as a wrong code."""
    number = house.number()
    house.send(number)
    for _ in range(5):
        house.verify(number, guess)
    assert house.verify(number).status_code == 400


def test_a_right_code_is_accepted_as_a_person_types_it(house):
    """With blanks, a hyphen, or the digits of another script."""
    number = house.number()
    house.send(number)
    code = house.code()
    arabic = "".join(chr(0x660 + int(digit)) for digit in code)
    assert house.verify(number, f" {arabic[:3]}-{arabic[3:]} ").status_code == 200


@pytest.mark.parametrize("text", ["000", "0" * 11, "12345a", "123456\n", "\u2460" * 6, "-123456", "1e5", "{code}"])
def test_what_cannot_be_a_code_counts_for_nothing(house, text):
    """Other text is refused like a wrong code, and spends no try."""
    number = house.number()
    house.send(number)
    for _ in range(6):
        answer = house.verify(number, text)
        assert (answer.status_code, answer.json) == (400, FAILED)
    assert house.verify(number).status_code == 200


@pytest.mark.parametrize(
    "body",
    [{}, {"otp": "123456"}, {"phone_number": "+14155552671"}, {"phone_number": "+14155552671", "otp": ""},
     {"phone_number": "", "otp": "123456"}, {"phone_number": None, "otp": None}],
)  # fmt: skip
def test_either_missing_is_told_in_seed_words(house, body):
    """Missing, null and empty are the same."""
    answer = house.post("/verify-otp", body)
    assert (answer.status_code, answer.json["error"]) == (400, "Both OTP and phone number are required")


@pytest.mark.parametrize("otp", [123456, 123456.0, True, ["123456"], {"$ne": ""}])
def test_a_code_of_another_type_is_refused(house, otp):
    """A code is a string: a number would lose its leading zeros. No try is spent."""
    number = house.number()
    house.send(number)
    for _ in range(6):
        answer = house.post("/verify-otp", {"phone_number": number, "otp": otp})
        assert (answer.status_code, answer.json["error_type"]) == (400, "bad_request")
    assert house.verify(number).status_code == 200


def test_generated_otp_does_nothing(house):
    """Seed 003's clients send the code that they think was made; it decides nothing."""
    number = house.number()
    house.send(number)
    forged = {"phone_number": number, "otp": wrong(house.code()), "generated_otp": wrong(house.code())}
    assert house.post("/verify-otp", forged).json == FAILED
    assert house.post("/verify-otp", forged | {"otp": house.code()}).status_code == 200


def test_an_id_is_enough(house):
    """A caller that has the verification's id needs no number."""
    sent = house.send().json
    answer = house.post("/verify-otp", {"verification_id": sent["verification_id"], "otp": house.code()})
    assert answer.json["status"] == "approved"


def test_number_and_id_must_fit(house):
    """With both given, another number's id is no way in."""
    number, other = house.number(), house.number()
    sent = house.send(number).json
    body = {"phone_number": other, "verification_id": sent["verification_id"], "otp": house.code()}
    assert house.post("/verify-otp", body).json == FAILED
    assert house.post("/verify-otp", body | {"phone_number": number}).status_code == 200


def test_an_empty_id_is_refused(house):
    """It is no id, and no leave to check by the number alone."""
    number = house.number()
    house.send(number)
    body = {"phone_number": number, "verification_id": "", "otp": house.code()}
    assert house.post("/verify-otp", body).status_code == 400
    assert house.verify(number).status_code == 200


def test_a_code_is_for_its_purpose(house):
    """A code for one purpose is no good for another."""
    number = house.number()
    house.post("/send-otp", {"phone_number": number, "purpose": "pay"})
    body = {"phone_number": number, "otp": house.code()}
    assert house.post("/verify-otp", body).json == FAILED
    assert house.post("/verify-otp", body | {"purpose": "pay"}).status_code == 200


def test_check_by_id_only_is_a_setting(open_house):
    """OTP_CHECK_BY=id: who only knows a number can spend nobody's tries."""
    house = open_house(otp_check_by="id")
    number = house.number()
    sent = house.send(number).json
    for _ in range(5):
        answer = house.verify(number, wrong(house.code()))
        assert (answer.status_code, answer.json["error"]) == (400, "verification_id is required")
    by_id = {"verification_id": sent["verification_id"], "otp": house.code()}
    assert house.post("/verify-otp", by_id).status_code == 200


def test_what_is_no_number_is_told(house):
    """A number that cannot be one is an input error, not a failed check."""
    answer = house.verify("12", "123456")
    assert (answer.status_code, answer.json["error_type"]) == (400, "invalid_phone")
