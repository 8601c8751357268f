"""How settings become a running server."""

import json
import sys
import threading
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest

from otp_app import wiring
from otp_app.apis import load_api
from otp_app.apis.phone.api import profile as phone_profile
from otp_app.apis.verify_v2.api import profile as verify_profile
from otp_app.apis.verify_v2.service_registry import VerifyService
from otp_app.background import sweeper
from otp_app.core.errors import InvalidInput, StoreUnavailable
from otp_app.core.policy import Policy
from otp_app.core.results import SendRequest
from otp_app.settings import policy
from otp_app.settings.keyring import new_secret
from otp_app.stores.memory import MemoryStore
from tests.configuration import make_settings
from tests.startup.test_startup import SANDBOX
from tests.web.site import RecordingChannel

POLICY = {
    "otp_ttl": ("ttl", 60),
    "otp_code_length": ("length", 7),
    "otp_code_length_raised": ("raised_length", 9),
    "otp_max_attempts": ("max_attempts", 3),
    "otp_resend_gaps": ("gaps", (1.0,)),
    "otp_sends_per_hour": ("sends_per_hour", 1),
    "otp_sends_per_day": ("sends_per_day", 2),
    "otp_keyed_reserve": ("keyed_reserve", 3),
    "otp_cool_downs": ("cool_downs", (4.0,)),
    "otp_risk_raise": ("risk_raise", 5e-6),
    "otp_risk_lower": ("risk_lower", 6e-6),
    "otp_resend_new_code": ("new_code_on_resend", True),
}


def test_the_defaults_are_the_policys():
    """What nobody set is as the core has it."""
    assert policy.numbers(make_settings()) == Policy()


@pytest.mark.parametrize(("setting", "field", "value"), [(name, *what) for name, what in POLICY.items()])
def test_each_setting_moves_its_rule(setting, field, value):
    """And no other."""
    numbers = policy.numbers(make_settings(**{setting: value}))
    changed = {name for name in Policy.__dataclass_fields__ if getattr(numbers, name) != getattr(Policy(), name)}
    assert (getattr(numbers, field), changed) == (value, {field})


class Store(MemoryStore):
    """Tells of each sweep; the first one fails, the second and third find more than they may delete."""

    def __init__(self):
        super().__init__()
        self.sweeps, self.enough = [], threading.Event()

    def sweep(self, limit):
        self.sweeps.append(limit)
        if len(self.sweeps) == 4:
            self.enough.set()
        if len(self.sweeps) == 1:
            raise StoreUnavailable
        return limit


def test_what_is_over_is_swept_until_the_end(monkeypatch, caplog):
    """In batches, off the requests; a store that fails is tried again, and logged without a traceback.

    Idempotency keys that the store could not free are tried again with each batch.
    """
    monkeypatch.setattr(sweeper, "SWEEP_EVERY", 0.01)
    store, tried = Store(), []
    thread = sweeper.Sweeper(store, SimpleNamespace(free_left=lambda: tried.append(len(store.sweeps))))
    assert store.enough.wait(5)
    thread.stop()
    assert tried[:4] == [0, 1, 2, 3]
    assert set(store.sweeps) == {sweeper.SWEEP_AT_MOST}
    assert [record.getMessage() for record in caplog.records] == ["sweep: The store is not available"]
    assert not thread._thread.is_alive()


def test_close_gives_everything_back(monkeypatch):
    """The thread has ended, channels and store are closed."""
    services = built()
    closed = []
    monkeypatch.setattr(services.store, "close", lambda: closed.append("store"))
    monkeypatch.setattr(services.channels[0], "close", lambda: closed.append("channel"))
    services.close()
    assert closed == ["channel", "store"]
    assert not services.sweeper._thread.is_alive()


def test_close_ends_the_jobs_before_their_channels(monkeypatch):
    """A job may be handing over a message."""
    services, closed = built(), []
    monkeypatch.setattr(services.jobs, "stop", lambda: closed.append("jobs"))
    monkeypatch.setattr(services.channels[0], "close", lambda: closed.append("channel"))
    services.close()
    assert closed == ["jobs", "channel"]


def test_no_thread_does_jobs_where_nothing_has_any():
    """Of what the settings ask for."""
    with closing(built()) as services:
        services.do_jobs()
        assert "jobs" not in {thread.name for thread in threading.enumerate()}
        services.handlers["a"] = lambda payload: None
        services.do_jobs()
        assert "jobs" in {thread.name for thread in threading.enumerate()}


# ---- APIs and their figures


def built(**given):
    """Services over a memory store and a channel that keeps its messages; close them."""
    channels = ("tests.web.site:RecordingChannel",)
    return wiring.build(make_settings(**{"otp_store_url": "memory://", "otp_channels": channels} | given))


def usual(settings):
    """The figures of the server, and its settings."""
    return policy.numbers(settings), settings


def opened(services, name):
    """What the views of an API work with."""
    return load_api(name)(services).state


def test_approvals_go_to_a_function_of_the_operators(monkeypatch):
    """Of every API, with the whole number."""
    heard = []
    monkeypatch.setitem(sys.modules, "operators", SimpleNamespace(heard=heard.append))
    with closing(built(otp_on_approved="operators:heard", otp_directory_url="users.csv")) as services:
        sent = opened(services, "users").verifications.send("+14155552671", SendRequest())
        services.verifications.check(services.channels[0].messages[0].code, phone_number="+14155552671")
    (approval,) = heard
    assert (approval.phone, approval.verification_id) == ("+14155552671", sent.verification_id)


SERVICE = VerifyService("VA" + "1" * 32, "login", "login")
MADE = replace(SERVICE, name="My Shop", created=1)


def test_verify_has_twilios_figures():
    """Ten minutes that no resend extends, no gap, five messages, five attempts; the caps are those of the number."""
    numbers, _ = verify_profile(*usual(make_settings(otp_sends_per_hour=7, otp_max_attempts=9)), SERVICE)
    assert (numbers.ttl, numbers.max_life, numbers.gaps) == (600, 600, ())
    assert (numbers.sends_per_verification, numbers.allowed_attempts, numbers.length) == (5, 5, 6)
    assert (numbers.sends_per_hour, numbers.max_attempts) == (7, 9)


@pytest.mark.parametrize(
    ("given", "service", "text"),
    [
        ({}, SERVICE, "Your verification code is: 0042"),
        ({"otp_app_name": "Shop"}, SERVICE, "Your Shop verification code is: 0042"),
        ({}, MADE, "Your My Shop verification code is: 0042"),
        ({}, replace(SERVICE, do_not_share=True), "Your verification code is: 0042. Do not share it with anyone."),
        ({"otp_message": "{app}: {code}"}, MADE, "My Shop: 0042"),
    ],
)
def test_the_words_of_verify(given, service, text):
    """Twilio's, with the name of the service, unless the operator has others."""
    _, texts = verify_profile(*usual(make_settings(**given)), service)
    assert texts.render("0042", 600) == text


def test_verify_has_words_in_other_languages():
    """With the name of the service and its warning, by Locale or by the country; without a name, without its place."""
    _, texts = verify_profile(*usual(make_settings()), replace(MADE, do_not_share=True))
    assert texts.render("0042", 600, "es-MX") == "Tu código de My Shop es: 0042. No lo compartas."
    assert texts.render("0042", 600, "", "DE") == "Ihr Code für My Shop lautet: 0042. Geben Sie ihn nicht weiter."
    assert texts.render("0042", 600, "en", "DE").startswith("Your My Shop verification code is: 0042")
    _, texts = verify_profile(*usual(make_settings()), SERVICE)
    assert texts.render("0042", 600, "es") == "Tu código es: 0042"
    _, texts = verify_profile(*usual(make_settings(otp_message="Shop: {code}")), SERVICE)
    assert texts.render("0042", 600, "es", "DE") == "Shop: 0042"


def test_the_words_of_the_server_are_in_the_language_of_the_number():
    """Unless the operator has a text for all, or the API has one of its own in English alone."""
    german = "Ihr Code lautet: 0042"
    assert policy.texts(make_settings()).render("0042", 600, "", "DE") == german
    assert policy.texts(make_settings(otp_message="Code {code}")).render("0042", 600, "de", "DE") == "Code 0042"
    assert policy.texts(make_settings(), "Mine {code}").render("0042", 600, "de", "DE") == "Mine 0042"
    partly = policy.texts(make_settings(otp_messages='{"de": "Nur {code}"}'))
    assert partly.render("0042", 600, "", "AT") == "Nur 0042"
    assert partly.render("0042", 600, "", "FR") == "Votre code est : 0042"


def test_a_verify_service_has_codes_of_its_length():
    """Raised ones are never shorter."""
    numbers, _ = verify_profile(*usual(make_settings()), replace(SERVICE, code_length=10))
    assert (numbers.length, numbers.raised_length) == (10, 10)


def test_phone_verify_without_settings_of_its_own_is_as_the_server_is():
    """The same figures, and words but for those in languages that nobody chose."""
    assert phone_profile(make_settings()) == (Policy(), policy.texts(make_settings(), built_in={}))


def test_phone_verify_has_the_figures_of_its_settings():
    """And the words."""
    written = json.loads(SANDBOX) | {
        "TOKEN_LENGTH": 9, "MAX_FAILED_ATTEMPTS": 3, "VERIFY_SECURITY_CODE_ONLY_ONCE": False,
        "SECURITY_CODE_EXPIRATION_SECONDS": 120,
    }  # fmt: skip
    numbers, texts = phone_profile(make_settings(phone_verification=json.dumps(written)))
    assert (numbers.length, numbers.raised_length, numbers.ttl) == (9, 9, 120)
    assert (numbers.api_attempts, numbers.max_attempts, numbers.once_only) == (3, 5, False)
    assert texts.render("0042", 600) == "Shop 0042"


@pytest.mark.parametrize("ends", ["by its code", "by its caller"])
def test_a_short_code_that_another_api_accepts_again_is_at_stake(ends):
    """It was used where codes are good once, but can still be guessed at through the API that accepts it again."""
    written = json.loads(SANDBOX) | {"VERIFY_SECURITY_CODE_ONLY_ONCE": False}
    given = {"otp_apis": ("verify_v2", "phone"), "phone_verification": json.dumps(written)}
    with closing(built(**given)) as services:
        verify = opened(services, "verify_v2").verifications(SERVICE)
        first = verify.send("+14155552671", SendRequest("first", code="4321", replace_code=True)).verification_id
        if ends == "by its code":
            assert verify.check("4321", verification_id=first).approved
        else:
            verify.approve(first)
        with pytest.raises(InvalidInput):
            verify.send("+14155552671", SendRequest("second", code="4321", replace_code=True))


def test_a_used_code_is_not_at_stake_where_no_api_accepts_it_again():
    """Whoever logs in twice within ten minutes gets short codes both times."""
    written = json.loads(SANDBOX) | {"VERIFY_SECURITY_CODE_ONLY_ONCE": False}
    with closing(built(otp_apis=("verify_v2",), phone_verification=json.dumps(written))) as services:
        verify = opened(services, "verify_v2").verifications(SERVICE)
        for purpose in ("first", "second"):
            verify.send("+14155552671", SendRequest(purpose, code="4321", replace_code=True))
            assert verify.check("4321", phone_number="+14155552671", purpose=purpose).approved


def test_a_sandbox_has_one_code():
    """Which it sends, too."""
    with closing(built(phone_verification=SANDBOX)) as services:
        phone = opened(services, "phone")
        phone.verifications.send("+14155552671", SendRequest(code=phone.new_code()))
        assert services.channels[0].messages[0].code == "123456"


def test_a_channel_may_make_the_codes():
    """And one that makes none leaves them to the server."""
    with closing(built(otp_channels=("tests.test_wiring:CodeMakingChannel",))) as services:
        assert opened(services, "phone").new_code() == "77777"
    with closing(built()) as services:
        assert opened(services, "phone").new_code() == ""


class CodeMakingChannel(RecordingChannel):
    """Has codes of its own."""

    def new_code(self):
        return "77777"


def test_proofs_need_keys():
    """Without them there are none."""
    with closing(built()) as services:
        assert opened(services, "native").proofs is None
    with closing(built(otp_proof_keys=f"p1:HS256:{new_secret()}")) as services:
        assert opened(services, "native").proofs.public_keys == []
