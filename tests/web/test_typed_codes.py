"""A code as a person types it is read alike by every API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.apis.verify_v2.site import ACCOUNTS, SERVICE, basic
from tests.web.site import Site, wrong

NUMBER = "+14155552671"  # the number of the user abc
Check = Callable[[str], bool]  # asks whether a code is accepted


def _native(site: Site) -> Check:
    assert site.send(NUMBER).status_code == 200
    return lambda code: site.verify(NUMBER, code).status_code == 200


def _users(site: Site) -> Check:
    assert site.post("/send-code", {"user_id": "abc"}).status_code == 200
    return lambda code: site.post("/verify-code", {"user_id": "abc", "passcode": code}).status_code == 200


def _phone(site: Site) -> Check:
    token = site.post("/api/phone/register", {"phone_number": NUMBER}).json["session_token"]
    fields = {"phone_number": NUMBER, "session_token": token}
    return lambda code: site.post("/api/phone/verify", fields | {"security_code": code}).status_code == 200


def _verify_v2(site: Site) -> Check:
    def ask(path: str, **form: str) -> Any:
        headers = basic() | {"Content-Type": "application/x-www-form-urlencoded"}
        return site.post(f"/v2/Services/{SERVICE}/{path}", urlencode(form).encode(), headers=headers).json

    assert ask("Verifications", To=NUMBER, Channel="sms")["status"] == "pending"
    return lambda code: bool(ask("VerificationCheck", To=NUMBER, Code=code)["valid"])


def _in_digits_from(zero: str) -> Callable[[str], str]:
    return lambda code: "".join(chr(ord(zero) + int(digit)) for digit in code)


@pytest.mark.parametrize("typed", [
    lambda code: f" {code} ", lambda code: f"{code[:3]} {code[3:]}", lambda code: f"{code[:3]}-{code[3:]}",
    _in_digits_from("\u0660"), _in_digits_from("\uff10"),
], ids=["blanks around", "a blank inside", "a hyphen", "Arabic-Indic digits", "full-width digits"])  # fmt: skip
@pytest.mark.parametrize("begin", [_native, _users, _phone, _verify_v2])
def test_a_typed_code_is_accepted_where_it_is_right_and_one_attempt_where_it_is_wrong(
    open_site: Callable[..., Site],
    all_there_is: dict[str, Any],
    begin: Callable[[Site], Check],
    typed: Callable[[str], str],
) -> None:
    callers = {"otp_verify_accounts": ACCOUNTS} if begin is _verify_v2 else {}  # with them others need a key
    site = open_site(**all_there_is | callers, otp_verify_services=f"{SERVICE}:login")
    accepted = begin(site)
    assert not accepted(typed(wrong(site.code())))
    report = site.services.verifications.status(phone_number=NUMBER)
    assert report.verification.attempts == 1
    assert accepted(typed(site.code()))
