"""The API of seed 004 on this server: restarts, other keys, who may call, and what settings change."""

import json
import re
from contextlib import closing

import pytest

from tests.apis.phone.conftest import PhoneSite, serving_phones
from tests.apis.phone.words_004 import EXPIRED, NOT_VALID, TOO_MANY, USED, VERIFIED, said
from tests.phone_verification import SANDBOX_BACKEND, django
from tests.running import KEY, ROOT
from tests.services import Redis
from tests.web.site import api_key, wrong

PATHS = pytest.mark.parametrize("path", ["/api/phone/register", "/api/phone/verify"])
BODY = {"phone_number": "+14155552671", "security_code": "123456", "session_token": "a.b.c"}
OTHER_KEY = KEY.swapcase()


# ---- starting again, and with other keys


@pytest.mark.parametrize("kind", ["sqlite", "redis", "postgres"])
def test_a_restart_forgets_nothing(tmp_path, new_store, kind):
    with serving_phones(tmp_path, store=new_store(kind)) as phones:
        (used, used_token, used_code), (number, token, code) = phones.registered(), phones.registered()
        assert said(phones.check(used, used_token, used_code)) == VERIFIED
        assert [said(phones.check(number, token, wrong(code))) for _ in range(4)] == [NOT_VALID] * 4
        phones.server.stop()
        phones.server.start()
        assert said(phones.check(used, used_token, used_code)) == USED
        assert said(phones.check(number, token, wrong(code))) == NOT_VALID
        assert said(phones.check(number, token, code)) == TOO_MANY


def test_tokens_outlive_the_change_of_keys(tmp_path):
    """One signed with the old key is read while the server holds that key, and not afterwards."""
    with with_keys(tmp_path, f"k1:{KEY}") as phones:
        first, second, later = phones.registered(), phones.registered(), phones.number()
    with with_keys(tmp_path, f"k2:{OTHER_KEY},k1:{KEY}") as phones:
        assert said(phones.check(*first)) == VERIFIED
        assert said(phones.check(*phones.registered(later))) == VERIFIED
    with with_keys(tmp_path, f"k2:{OTHER_KEY}") as phones:
        assert said(phones.check(*second)) == NOT_VALID


def with_keys(folder, keys):
    """A server on the records of this folder, with these secret keys."""
    records = f"sqlite:///{folder}/otp.db"
    return closing(PhoneSite(otp_store_url=records, otp_secret_keys=keys, otp_index_key=KEY))


def test_the_token_of_another_server_is_unknown(tmp_path):
    """Of the same verification and with the same key id."""
    with with_keys(tmp_path, f"k1:{KEY}") as phones:
        number, others, _ = phones.registered()
    with with_keys(tmp_path, f"k1:{OTHER_KEY}") as phones:
        phones.clock.advance(31)
        _, token, code = phones.registered(number)
        assert said(phones.check(number, others, code)) == NOT_VALID
        assert said(phones.check(number, token, code)) == VERIFIED


def test_a_repeated_request_whose_first_call_died():
    """It gets a token for what was about to be sent then, and sends nothing."""
    with closing(PhoneSite()) as phones:
        number, again, answers = phones.number(), {"Idempotency-Key": "one"}, []

        def ask_again_while_the_first_hangs():
            phones.clock.advance(16)
            answers.append(phones.register(number, again))

        phones.channel.before = ask_again_while_the_first_hangs
        phones.register(number, again)
        (second,) = answers
        assert (second.status, len(phones.channel.messages)) == (200, 1)
        assert said(phones.check(number, second.json["session_token"], phones.code_of(number))) == VERIFIED


# ---- what settings change


@pytest.mark.slow
def test_the_settings_of_the_original(tmp_path):
    """Its text, its name, its length of codes and its number of tries."""
    chosen = django(TOKEN_LENGTH=8, MAX_FAILED_ATTEMPTS=2, SECURITY_CODE_EXPIRATION_SECONDS=60)
    with serving_phones(tmp_path, PHONE_VERIFICATION=chosen) as phones:
        number, token, code = phones.registered()
        text = f"Welcome to Phone Verify! Please use security code {code} to proceed."
        assert phones.provider.messages[-1].form["Body"] == text
        assert len(code) == 8
        assert [said(phones.check(number, token, wrong(code))) for _ in range(2)] == [NOT_VALID] * 2
        assert said(phones.check(number, token, code)) == TOO_MANY
        early, late = phones.registered(), phones.registered()
        phones.wait(50)
        assert said(phones.check(*early)) == VERIFIED
        phones.wait(10)
        assert said(phones.check(*late)) == EXPIRED


def test_a_code_that_verifies_repeatedly():
    """Without ONLY_ONCE: until it expires, on this API alone."""
    with closing(PhoneSite(phone_verification=django(VERIFY_SECURITY_CODE_ONLY_ONCE=False))) as phones:
        number, token, code = phones.registered()
        assert [said(phones.check(number, token, code)) for _ in range(7)] == [VERIFIED] * 7
        assert said(phones.check(number, token, wrong(code))) == NOT_VALID
        assert phones.verify(number, code).status_code == 400
        phones.clock.advance(285)
        assert said(phones.check(number, token, code)) == VERIFIED
        phones.clock.advance(15)
        assert said(phones.check(number, token, code)) == EXPIRED


def test_a_code_that_verifies_repeatedly_cannot_be_guessed():
    """Wrong codes after it was verified are tries as before."""
    with closing(PhoneSite(phone_verification=django(VERIFY_SECURITY_CODE_ONLY_ONCE=False))) as phones:
        number, token, code = phones.registered()
        assert said(phones.check(number, token, code)) == VERIFIED
        assert [said(phones.check(number, token, wrong(code))) for _ in range(5)] == [NOT_VALID] * 5
        assert said(phones.check(number, token, code)) == TOO_MANY


def test_the_sandbox_has_one_code():
    """Everybody's code is the one that the settings name, good with any token, for any number, and repeatedly.

    Elsewhere than in this API it is the code of a verification like any other.
    """
    with closing(PhoneSite(phone_verification=django(BACKEND=SANDBOX_BACKEND))) as phones:
        number, token, code = phones.registered()
        assert code == "123456"
        never = phones.number()
        for forged in ("123456", "a.b.c", token):
            assert said(phones.check(never, forged, "123456")) == VERIFIED
            assert said(phones.check(never, forged, "654321")) == NOT_VALID
        assert phones.verify(never, "123456").status_code == 400
        assert said(phones.check(number, token, "654321")) == NOT_VALID
        assert [said(phones.check(number, token, "123456")) for _ in range(2)] == [VERIFIED] * 2
        assert phones.verify(number, "123456").status_code == 400


def test_countries():
    """Only those that are served: 403 with a text, and no message."""
    with closing(PhoneSite(otp_countries="DE")) as phones:
        answer = phones.register(phones.number())
        assert (answer.status, list(answer.json)) == (403, ["detail"])
        assert phones.register("+4915112345678").status == 200
        assert len(phones.channel.messages) == 1


# ---- who may call


def test_keys():
    """Where there are any, one is needed, with its scope; `detail` says so."""
    keys = f"{api_key('shop', 'send+verify', 'both')},{api_key('till', 'send', 'sends')}"
    with closing(PhoneSite(otp_api_keys=keys)) as phones:
        for path in ("/api/phone/register", "/api/phone/verify"):
            answer = phones.ask(path, BODY)
            assert (answer.status, list(answer.json)) == (401, ["detail"])
            answer = phones.ask(path, BODY, {"X-API-Key": "another"})
            assert (answer.status, list(answer.json)) == (401, ["detail"])
        answer = phones.ask("/api/phone/verify", BODY, {"X-API-Key": "sends"})
        assert (answer.status, list(answer.json)) == (403, ["detail"])
        assert phones.register(phones.number(), {"X-API-Key": "sends"}).status == 200
        assert said(phones.ask("/api/phone/verify", BODY, {"X-API-Key": "both"})) == NOT_VALID


def test_a_public_server():
    """Browsers need no key, since without its token a check tells nothing."""
    settings = {"otp_api_keys": api_key("shop", "send+verify", "key"), "otp_public": "1", "otp_countries": "US"}
    with closing(PhoneSite(**settings)) as phones:
        assert said(phones.check(*phones.registered())) == VERIFIED


@PATHS
def test_another_host(path):
    """Refused before anything is looked at, in the shape of the API."""
    with closing(PhoneSite()) as phones:
        answer = phones.post(path, BODY, HTTP_HOST="example.org")
        assert (answer.status_code, list(answer.json)) == (400, ["detail"])


@pytest.mark.slow
def test_a_store_that_is_away(tmp_path):
    """503 with `detail`, and when to come back."""
    redis = Redis(tmp_path)
    redis.start()
    keys = {"otp_secret_keys": f"k1:{KEY}", "otp_index_key": KEY}
    try:
        with closing(PhoneSite(otp_store_url=redis.new_url(), **keys)) as phones:
            registered = phones.registered()
            redis.stop()
            for answer in (phones.register(phones.number()), phones.check(*registered)):
                assert (answer.status, list(answer.json)) == (503, ["detail"])
                assert int(answer.headers["Retry-After"]) >= 1
    finally:
        redis.stop()


# ---- APIs


def test_only_this_api():
    """The native one's paths are not there."""
    with closing(PhoneSite(otp_apis="phone")) as phones:
        assert phones.ask("/send-otp", {"phone_number": phones.number()}).status == 404
        assert said(phones.check(*phones.registered())) == VERIFIED


@PATHS
def test_without_this_api(path):
    """Its paths are not there, reported in the native words."""
    with closing(PhoneSite(otp_apis="native")) as phones:
        answer = phones.ask(path, BODY)
        assert (answer.status, answer.json["error_type"]) == (404, "not_found")


# ---- the lines of its page


@pytest.mark.slow
def test_the_lines_of_the_page(tmp_path):
    """Pasted one after the other, they answer as printed."""
    page = (ROOT / "docs/phone-verify.md").read_text(encoding="utf-8")
    register, verify = re.findall(r"^```sh\n(.*?)\n```$", page, re.MULTILINE)
    registered, verified = map(json.loads, re.findall(r"^```json\n(.*?)\n```$", page, re.MULTILINE))
    with serving_phones(tmp_path) as phones:
        answer = phones.curl(register)
        token = answer["session_token"]
        assert (list(answer), len(token)) == (list(registered), len(registered["session_token"]))
        assert phones.curl(verify, phones.provider.code("+14155552671"), token) == verified
