"""The story of seed 002: a server, two workers, RabbitMQ, PostgreSQL, and the stand-in for Twilio."""

import pytest

from otp_app.bus.letters import REQUESTS, SENT
from tests.bus.working import Worker, bodies
from tests.running import free_port, wait_until

pytestmark = pytest.mark.slow
GIVEN = {"OTP_APIS": "native,connect", "OTP_RESEND_GAPS": ""}


def rpc(server, name, body, token=""):
    """The HTTP status and the answer of an RPC."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    status, _, answer = server.post(f"/auth.AuthService/{name}", body, headers)
    return status, answer


def test_the_whole_story(rabbit, server, postgres_server, fake_twilio, tmp_path):
    """The code comes from a worker, its number goes to the other one, and no queue ever has it."""
    site = server(OTP_AMQP_URL=rabbit.url(), DATABASE_URL=postgres_server.new_url(), **GIVEN)
    number = {"phone_number": "+14155552671"}
    signed_up = rpc(site, "SignupWithPhoneNumber", number)
    assert signed_up == (200, {"message": "Signup successful, OTP will be sent soon"})
    asked = bodies(rabbit, REQUESTS)
    assert (asked, fake_twilio.posts) == ([number | {"authenticated": False}], [])
    sends = Worker(tmp_path, site.environment)
    code = fake_twilio.code(number["phone_number"])
    wait_until(lambda: bodies(rabbit, SENT), "a code that was told")
    (told,) = bodies(rabbit, SENT)
    assert told.keys() == {"phone_number", "verification_id", "expires_at"}
    notes = Worker(tmp_path, site.environment, "auth")
    try:
        status, begun = rpc(site, "VerifyPhoneNumber", number | {"otp": code})
        assert (status, rpc(site, "ValidatePhoneNumberLogin", number)[1]["is_valid"]) == (200, True)
        assert rpc(site, "LoginWithPhoneNumber", number)[1]["message"] == "OTP sent"
        code = fake_twilio.code(number["phone_number"])
        status, again = rpc(site, "LoginWithPhoneNumber", number | {"otp": code})
        assert (status, again["session_token"] != begun["session_token"]) == (200, True)
        token = again["session_token"]
        assert rpc(site, "GetProfile", number, token) == (200, number)
        wait_until(lambda: "code_sent" in str(rpc(site, "ListActivity", {}, token)), "the note of the code")
        assert rpc(site, "Logout", {}, token) == (200, {"message": "Logged out"})
        assert rpc(site, "GetProfile", number, token)[1]["code"] == "unauthenticated"
    finally:
        ended = sends.stop(), notes.stop()
    assert ended == (0, 0)
    assert number["phone_number"] not in sends.log() + notes.log() + site.log()


def test_a_sign_up_without_a_broker_is_refused_and_says_when(server):
    """Nothing is sent later, and everything else goes on."""
    site = server(OTP_AMQP_URL=f"amqp://guest:guest@127.0.0.1:{free_port()}", **GIVEN)
    status, headers, answer = site.post("/auth.AuthService/SignupWithPhoneNumber", {"phone_number": "+14155552671"})
    assert (status, answer["code"], headers["Retry-After"]) == (503, "unavailable", "1")
    assert site.call("GET", "/readyz").json["faults"] == {"bus": "bus_unavailable"}
    assert site.post("/send-otp", {"phone_number": "+14155552671"}).status == 200
