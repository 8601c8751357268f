"""The contract of seed 002, accounts over Connect RPC, with a broker and without: curl lines and a generated client."""

import json
import re
import subprocess
from contextlib import ExitStack, closing

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError

from otp_app.apis.connect.generated.auth_connect import AuthServiceClientSync
from otp_app.apis.connect.generated.auth_pb import Nothing, Number, NumberAndCode, SignupRequest
from otp_app.apis.connect.generated.otp_connect import OtpServiceClientSync
from otp_app.apis.connect.generated.otp_pb import GenerateRequest
from tests.bus.working import Worker
from tests.conftest import require
from tests.serving import Seed, serving
from tests.web.site import wrong

pytestmark = pytest.mark.slow

TOKEN = re.compile(r"ses_[A-Za-z0-9_-]{43}")


@pytest.fixture(scope="module", params=["alone", "postgres", "rabbit"])
def seed(request, tmp_path_factory):
    """A real server on the stand-in for Twilio: alone, on PostgreSQL, or with RabbitMQ and workers too."""
    folder, workers = tmp_path_factory.mktemp("accounts"), ()
    given = {"DATABASE_URL": f"sqlite:///{folder}/accounts.db"}
    if request.param != "alone":
        given["DATABASE_URL"] = request.getfixturevalue("postgres_server").new_url()
    if request.param == "rabbit":
        rabbit, workers = request.getfixturevalue("rabbit_server"), ("otp", "auth")
        rabbit.empty()
        given |= {"store": request.getfixturevalue("postgres_server").new_url(), "OTP_AMQP_URL": rabbit.url()}
    with serving(folder, OTP_APIS="native,connect", OTP_RESEND_GAPS="", **given) as served, ExitStack() as running:
        for kind in workers:
            running.callback(Worker(folder, served[0].environment, kind).stop)
        yield Seed(*served)


def curl(seed, rpc, body, token=""):
    """Run a line as a shell does; return the HTTP status and the answer."""
    shown = f'-H "Authorization: Bearer {token}"' if token else ""
    line = (
        f"{require('curl')} -s -w '\\n%{{http_code}}' -X POST {shown} -H 'Content-Type: application/json' "
        f"-d '{json.dumps(body)}' {seed.server.url}/{rpc}"
    )
    said = subprocess.run(["sh", "-c", line], capture_output=True, check=True, text=True, timeout=30).stdout
    text, _, status = said.rpartition("\n")
    return int(status), json.loads(text)


def test_the_whole_story_in_curl(seed):
    """With the answers that the README prints."""
    number = {"phone_number": seed.number()}
    to = number["phone_number"]
    said = curl(seed, "auth.AuthService/SignupWithPhoneNumber", number)
    assert said == (200, {"message": "Signup successful, OTP will be sent soon"})
    code = seed.provider.code(to)
    not_yet = {"is_valid": False, "message": "Phone number does not exist"}
    assert curl(seed, "auth.AuthService/ValidatePhoneNumberLogin", number) == (200, not_yet)
    status, begun = curl(seed, "auth.AuthService/VerifyPhoneNumber", number | {"otp": code})
    assert (status, begun["message"]) == (200, begun["session_token"])
    assert TOKEN.fullmatch(begun["session_token"])
    verified = {"is_valid": True, "message": "Phone number is valid"}
    assert curl(seed, "auth.AuthService/ValidatePhoneNumberLogin", number) == (200, verified)
    assert curl(seed, "auth.AuthService/SignupWithPhoneNumber", number)[0] == 409
    assert curl(seed, "auth.AuthService/GetProfile", number, begun["session_token"]) == (200, number)
    assert curl(seed, "otp.OtpService/GenerateOtp", number) == (200, {"message": "OTP sent"})
    status, again = curl(seed, "auth.AuthService/LoginWithPhoneNumber", number | {"otp": seed.provider.code(to)})
    assert (status, bool(TOKEN.fullmatch(again["session_token"]))) == (200, True)
    assert curl(seed, "auth.AuthService/Logout", {}, again["session_token"]) == (200, {"message": "Logged out"})
    status, said = curl(seed, "auth.AuthService/GetProfile", number, again["session_token"])
    assert (status, said["code"]) == (401, "unauthenticated")
    assert curl(seed, "auth.AuthService/GetProfile", number, begun["session_token"]) == (200, number)
    _, said = curl(seed, "auth.AuthService/ListActivity", {}, begun["session_token"])
    events = [line["event"] for line in said["activities"] if line["event"] != "code_sent"]
    assert events == ["logout", "login", "verify", "signup"]


@pytest.mark.parametrize("proto_json", [False, True], ids=["proto", "json"])
def test_the_whole_story_through_a_generated_client(seed, proto_json):
    """In Protocol Buffers, and in JSON; errors come as Connect's own."""
    number = seed.number()
    with closing(client(AuthServiceClientSync, seed, proto_json)) as auth:
        auth.signup_with_phone_number(SignupRequest(phone_number=number, name="Ann"))
        begun = auth.verify_phone_number(NumberAndCode(phone_number=number, otp=seed.provider.code(number)))
        session = {"Authorization": f"Bearer {begun.session_token}"}
        profile = auth.get_profile(Number(phone_number=number), headers=session)
        assert (profile.phone_number, profile.name) == (number, "Ann")
        with closing(client(OtpServiceClientSync, seed, proto_json)) as otp:
            assert otp.generate_otp(GenerateRequest(phone_number=number)).message == "OTP sent"
        code = seed.provider.code(number)
        with pytest.raises(ConnectError) as raised:
            auth.login_with_phone_number(NumberAndCode(phone_number=number, otp=wrong(code)))
        assert (raised.value.code, raised.value.message) == (Code.PERMISSION_DENIED, "invalid OTP")
        second = auth.login_with_phone_number(NumberAndCode(phone_number=number, otp=code))
        assert second.session_token != begun.session_token
        auth.logout(Nothing(), headers=session)
        with pytest.raises(ConnectError) as raised:
            auth.get_profile(Number(phone_number=number), headers=session)
        assert raised.value.code == Code.UNAUTHENTICATED


def client(kind, seed, proto_json):
    """A client as the generated code makes it."""
    if not proto_json:
        return kind(seed.server.url)
    from connectrpc.codec import proto_json_codec

    return kind(seed.server.url, codec=proto_json_codec())


def test_sessions_outlive_a_restart(seed):
    """And so does a code that was sent before it."""
    number = seed.number()
    body = {"phone_number": number}
    curl(seed, "auth.AuthService/SignupWithPhoneNumber", body)
    code = seed.provider.code(number)
    seed.server.stop()
    seed.server.start()
    token = curl(seed, "auth.AuthService/VerifyPhoneNumber", body | {"otp": code})[1]["session_token"]
    seed.server.stop()
    seed.server.start()
    assert curl(seed, "auth.AuthService/GetProfile", body, token) == (200, body)


def test_the_log_has_no_number_no_code_and_no_token(seed):
    """Of all that these tests did."""
    number = seed.number()
    curl(seed, "auth.AuthService/SignupWithPhoneNumber", {"phone_number": number})
    code = seed.provider.code(number)
    token = curl(seed, "auth.AuthService/VerifyPhoneNumber", {"phone_number": number, "otp": code})[1]["session_token"]
    curl(seed, "auth.AuthService/GetProfile", {"phone_number": "12"}, token)
    log = seed.server.log()
    assert '"message": "Sent"' in log
    assert [text for text in (number.removeprefix("+"), token) if text in log] == []
    assert code not in re.findall(r"(?<![0-9a-f.])[0-9]{6}(?![0-9a-f])", log)
