"""All APIs over Twilio Verify: Twilio makes, sends and checks the codes, and no API knows."""

from contextlib import closing

import pytest

from tests.apis.test_shared_limits import APIS, Sites
from tests.twilio.fake_twilio import FakeTwilio
from tests.web.site import wrong

EACH = pytest.mark.parametrize("api", APIS)
CHECKS, STARTS = "CreateVerificationCheck", "CreateVerification"


class Through(Sites):
    """Such a server, and Twilio."""

    def __init__(self, folder, twilio, **given):
        account = {"twilio_account_sid": twilio.account_sid, "twilio_auth_token": twilio.auth_token}
        account |= {"twilio_api_base_url": twilio.url, "twilio_verification_service_sid": "VA" + "9" * 32}
        self.twilio = twilio
        super().__init__(folder, **{"otp_channels": ("twilio_verify",)} | account | given)
        twilio.clock = twilio.verify.clock = lambda: self.clock.seconds

    def sent(self, api, number, key=""):
        """The code that Twilio sends when an API may ask for it."""
        assert self.ask(api, number, key).status_code in (200, 201)
        return self.twilio.code_for(number)

    def asked(self, operation):
        """How often Twilio was asked for something."""
        return sum(call.operation == operation for call in self.twilio.calls)

    def held(self, number):
        return next(v for v in self.twilio.verify.verifications.values() if v["to"] == number)


@pytest.fixture
def twilio(monkeypatch):
    monkeypatch.setattr("otp_app.channels.twilio.transport.THROTTLE_PAUSE", 0.01)
    with FakeTwilio() as fake:
        yield fake
        assert fake.violations == []


@pytest.fixture
def site(tmp_path, twilio):
    with closing(Through(tmp_path, twilio)) as opened:
        yield opened


@EACH
def test_a_code_is_sent_and_accepted_once(site, api):
    number = site.number()
    code = site.sent(api, number)
    assert not site.accepts(api, number, wrong(code))
    assert site.accepts(api, number, code)
    assert not site.accepts(api, number, code)
    assert site.asked(CHECKS) == 2


@EACH
def test_a_code_is_good_at_every_api(site, api):
    number = site.number()
    code = site.sent("phone", number)
    assert site.accepts(api, number, code)


@EACH
def test_wrong_codes_are_five_in_all_and_a_new_message_has_a_new_code(site, api):
    """Twilio allows five for a code too, and would send that one again."""
    number = site.number()
    code = site.sent("verify_v2", number)
    for attempt in [wrong(code)] * 5 + [code]:
        assert not site.accepts("native", number, attempt)
    assert site.asked(CHECKS) == 5
    site.clock.advance(60)
    again = site.sent(api, number)
    assert site.accepts(api, number, again)


@EACH
def test_an_expired_code_is_not_asked_about(site, api):
    number = site.number()
    code = site.sent(api, number)
    site.clock.advance(601)
    assert not site.accepts(api, number, code)
    assert site.asked(CHECKS) == 0


@EACH
@pytest.mark.parametrize("how", ["forgotten", "spent"])
def test_what_twilio_has_ended_is_a_wrong_code(site, api, how):
    """It was approved or canceled there (404), or its five checks went elsewhere (60202)."""
    number = site.number()
    code = site.sent(api, number)
    site.held(number).update({"status": "approved"} if how == "forgotten" else {"checks": 5})
    answer = site.attempt(api, number, code)
    assert answer.status_code < 500
    assert not answer.json.get("valid")


@EACH
@pytest.mark.parametrize("fault", [{"code": 0, "drop": True}, {"code": 20429, "times": 3}, {"code": 20003}])
def test_without_an_answer_nothing_is_approved_and_the_caller_may_try_again(site, api, fault):
    number = site.number()
    code = site.sent(api, number)
    site.twilio.fail(operation=CHECKS, **fault)
    answer = site.attempt(api, number, code)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert code not in answer.text
    site.clock.advance(61)
    assert site.services.verifications.status(phone_number=number).status == "pending"


@EACH
def test_a_message_whose_answer_is_lost_may_arrive(site, api):
    """Its code is checked by the number, as its id is not known."""
    number = site.number()
    site.twilio.verify.on_CreateVerification = lost(site.twilio.verify.on_CreateVerification)
    assert site.ask(api, number).status_code in (200, 201, 202)
    assert site.accepts(api, number, site.twilio.code_for(number))


def lost(handler):
    def hang_up(call):
        handler(call)
        raise ConnectionAbortedError

    return hang_up


def test_whoever_waits_for_twilio_has_a_place_among_the_sends(tmp_path, twilio):
    """A Twilio that hangs holds OTP_THREADS threads at most. Without a place it is not asked, and nothing is lost."""
    with closing(Through(tmp_path, twilio, otp_threads=1)) as site:
        (number, other), meanwhile = (site.number(), site.number()), []
        code, answer = site.sent("native", number), twilio.verify.on_CreateVerificationCheck

        def hang(call):
            answers = site.attempt("native", number, code), site.ask("native", other)
            meanwhile.extend((answer.status_code, answer.json["error_type"]) for answer in answers)
            return answer(call)

        twilio.verify.on_CreateVerificationCheck = hang
        assert site.accepts("native", number, code)
        assert (meanwhile, site.asked(CHECKS)) == ([(503, "unchecked"), (503, "busy")], 1)


@EACH
def test_a_refused_message_is_refused_as_any_other(site, api):
    site.twilio.fail(60605, operation=STARTS)
    answer = site.ask(api, site.number())
    expected = {"native": 403, "users": 500, "phone": 200, "verify_v2": 403}
    assert answer.status_code == expected[api]


def test_verify_is_a_proxy(site):
    """Each of Twilio's channels that is asked for is the one that Twilio uses; a resend has the same code."""
    number = site.number()
    for asked in ("sms", "whatsapp", "call"):
        answer = site.form("Verifications", To=number, Channel=asked)
        assert (answer.status_code, answer.json["channel"]) == (201, asked)
    assert [sent["channel"] for sent in site.held(number)["sends"]] == ["SMS", "WHATSAPP", "CALL"]
    answer = site.form("Verifications", To=site.number(), Channel="sms", CustomCode="123456")
    assert answer.json["code"] == 60204


@pytest.mark.parametrize("status", ["canceled", "approved"])
def test_what_verify_ends_ends_at_twilio(site, status):
    number = site.number()
    site.sent("verify_v2", number)
    assert site.form(f"Verifications/{number}", Status=status).json["status"] == status
    assert site.held(number)["status"] == status


def test_native_asks_for_a_call_and_cancels(site):
    number = site.number()
    sent = site.post("/send-otp", {"phone_number": number, "channel": "call", "locale": "pt_BR"}).json
    assert sent["channel"] == "call"
    assert site.twilio.calls[-1].form["Locale"] == ["pt-BR"]
    assert site.call("DELETE", f"/verifications/{sent['verification_id']}").json["status"] == "canceled"
    assert site.held(number)["status"] == "canceled"


def test_a_code_of_twilios_is_for_an_app(site):
    """Also where a resend does not name it."""
    number = site.number()
    site.post("/send-otp", {"phone_number": number, "app_hash": "FA+9qCX9VSu"})
    assert site.twilio.calls[-1].form["AppHash"] == ["FA+9qCX9VSu"]
    site.clock.advance(60)
    assert site.post("/resend-otp", {"phone_number": number}).status_code == 200
    assert site.twilio.calls[-1].form["AppHash"] == ["FA+9qCX9VSu"]


def test_nothing_shows_a_code(site, caplog):
    caplog.set_level("DEBUG")
    number = site.number()
    code = site.sent("native", number)
    site.attempt("native", number, wrong(code))
    site.attempt("native", number, code)
    assert code not in caplog.text
    assert number not in caplog.text
