"""What django-phone-verify's own API tests ask of its server, asked of this one: 22 cases over three back ends.

One case needs no back end; the seven others run with Twilio's, with Twilio's sandbox and with Nexmo's sandbox. A row of
the original's table is a verification that was begun over the API here, and its patched time is this server's clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.apis.phone.conftest import Phones, serving_phones
from tests.apis.phone.words_004 import EXPIRED, NOT_VALID, REQUIRED, USED, VERIFIED, said
from tests.phone_verification import DJANGO
from tests.running import Answer, call

pytestmark = pytest.mark.slow

REGISTER, VERIFY = "/api/phone/register", "/api/phone/verify"
SANDBOX_CODE = "123456"
#: As Django's test client has it: its json type, and its multipart, which it sends where nothing else is asked for.
JSON = {"Content-Type": 'application/json;charset="utf-8"'}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=BoUnDaRyStRiNg"}
WELCOME = {"zh-Hant": "歡迎使用 Phone Verify! 請使用安全碼 {code} 繼續。"}


class Backend(NamedTuple):
    """A back end of the original, by the class that its settings name."""

    name: str
    sandbox: bool

    def serving(self, folder: Path, **changed: Any) -> AbstractContextManager[Phones]:
        """A server with the settings of the original's tests, but for what is changed; None takes a key away."""
        chosen = {key: value for key, value in (DJANGO | changed).items() if value is not None}
        chosen["BACKEND"] = f"phone_verify.backends.{self.name}"
        chosen["OPTIONS"] = DJANGO["OPTIONS"] | {"KEY": "fake"}
        return serving_phones(folder, PHONE_VERIFICATION=json.dumps(chosen), OTP_MESSAGES=json.dumps(WELCOME))

    def accepts(self, otherwise: tuple[int, Any]) -> tuple[int, Any]:
        """The answer to the right code: a sandbox takes it in spite of what makes another back end reject it."""
        return VERIFIED if self.sandbox else otherwise


BACKENDS = [
    Backend("twilio.TwilioBackend", sandbox=False),
    Backend("twilio.TwilioSandboxBackend", sandbox=True),
    Backend("nexmo.NexmoSandboxBackend", sandbox=True),
]


@pytest.fixture(scope="module", params=BACKENDS, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    return request.param


@pytest.fixture(scope="module")
def phones(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phones]:
    with backend.serving(tmp_path_factory.mktemp("phones")) as phones:
        yield phones


def verify(phones: Phones, *verification: str, **changed: str) -> Answer:
    """Check a code as the original's tests do."""
    body = dict(zip(("phone_number", "session_token", "security_code"), verification, strict=True)) | changed
    return call(phones.server.port, "POST", VERIFY, json.dumps(body), JSON)


def register(phones: Phones, number: str, **headers: str) -> Answer:
    """Register as the original's tests do: by a multipart form."""
    part = f'--BoUnDaRyStRiNg\r\nContent-Disposition: form-data; name="phone_number"\r\n\r\n{number}\r\n'
    return call(phones.server.port, "POST", REGISTER, f"{part}--BoUnDaRyStRiNg--\r\n", MULTIPART | headers)


def test_registration_sends_a_message(tmp_path):
    """200 with a session token, which opens the verification of this number; one message went out."""
    with serving_phones(tmp_path) as phones:
        number = phones.number()
        answer = register(phones, number)
        assert (answer.status, list(answer.json)) == (200, ["session_token"])
        assert len([post for post in phones.provider.posts if post.number == number]) == 1
        assert said(verify(phones, number, answer.json["session_token"], phones.provider.code(number))) == VERIFIED


def test_the_right_code_with_its_token_is_valid(phones):
    assert said(verify(phones, *phones.registered())) == VERIFIED


def test_an_incomplete_request(phones):
    for there in ("phone_number", "security_code"):
        body = {there: SANDBOX_CODE if there == "security_code" else phones.number()}
        answer = call(phones.server.port, "POST", VERIFY, json.dumps(body), JSON)
        absent = {"phone_number", "session_token", "security_code"} - {there}
        assert said(answer) == (400, {name: [REQUIRED] for name in absent})


def test_an_incorrect_request(phones, backend):
    """Another token or number is not valid but in a sandbox; another code is not valid in any."""
    verification = phones.registered()
    assert said(verify(phones, *verification, session_token="wrong-session-token")) == backend.accepts(NOT_VALID)
    assert said(verify(phones, *verification, security_code="999999")) == NOT_VALID
    assert said(verify(phones, *verification, phone_number=phones.number())) == backend.accepts(NOT_VALID)


def test_an_expired_code(phones, backend):
    """Has expired, but in a sandbox."""
    verification = phones.registered()
    phones.wait(DJANGO["SECURITY_CODE_EXPIRATION_SECONDS"] + 1)
    assert said(verify(phones, *verification)) == backend.accepts(EXPIRED)


def test_an_expired_code_by_the_older_setting(tmp_path, backend):
    """SECURITY_CODE_EXPIRATION_TIME does the same."""
    older = {"SECURITY_CODE_EXPIRATION_SECONDS": None, "SECURITY_CODE_EXPIRATION_TIME": 60}
    with backend.serving(tmp_path, **older) as phones:
        verification = phones.registered()
        phones.wait(61)
        assert said(verify(phones, *verification)) == backend.accepts(EXPIRED)


def test_a_code_that_is_verified_already(tmp_path, backend):
    """Is reported, but in a sandbox and where the settings let it be verified repeatedly."""
    with backend.serving(tmp_path, VERIFY_SECURITY_CODE_ONLY_ONCE=True) as phones:
        verification = phones.registered()
        assert said(verify(phones, *verification)) == VERIFIED
        assert said(verify(phones, *verification)) == backend.accepts(USED)
    with backend.serving(tmp_path, VERIFY_SECURITY_CODE_ONLY_ONCE=False) as phones:
        assert said(verify(phones, *verification)) == VERIFIED


def test_a_registration_in_another_language(phones):
    """200 with a session token, and the message has that language's text with the code."""
    number = phones.number()
    answer = register(phones, number, **{"Accept-Language": "zh-hant"})
    assert (answer.status, list(answer.json)) == (200, ["session_token"])
    text = WELCOME["zh-Hant"].replace("{code}", phones.provider.code(number))
    assert phones.provider.messages[-1].form["Body"] == text
    assert said(verify(phones, number, answer.json["session_token"], phones.provider.code(number))) == VERIFIED


def test_a_sandbox_still_counts_wrong_codes(phones, backend):
    """Its code is too late after five wrong ones, as in the original: what else the sandbox passes over, this ends."""
    number, token, code = phones.registered()
    for _ in range(5):
        assert said(verify(phones, number, token, "999999")) == NOT_VALID
    answer = verify(phones, number, token, code)
    assert answer.status == 400
    assert "Too many failed" in answer.json["non_field_errors"][0]
