"""The channel over a class of the operator's own: what it is given, and what becomes of what it does."""

import importlib
import re
import sys
import threading

import pytest

from otp_app.apis.phone.backend import BackendChannel, load_backend
from otp_app.apis.phone.settings import SANDBOXES, TWILIO, PhoneVerification
from otp_app.channels import Parts
from otp_app.core.delivery import Delivery, Outcome, Reason
from otp_app.core.errors import ChannelDown
from tests.channels.messages import CODE, RECIPIENT, UNKNOWN, UNREACHABLE, message, wait_until
from tests.configuration import make_settings
from tests.phone_verification import django
from tests.web.site import BASE_URL

SENT, REFUSED = Delivery(Outcome.SENT), Delivery(Outcome.REFUSED, reason=Reason.ACCOUNT)
TEXT = f"Your OTP is: {CODE}"
MODULE = '''
"""A back end as users of the original wrote it, without its base class."""

SENT = []


class ShopBackend:
    def __init__(self, **options):
        self.exception_class = ConnectionError
        self._from = options["FROM"]

    def send_sms(self, number, message):
        SENT.append((self._from, number, message))

    def send_bulk_sms(self, numbers, message):
        for number in numbers:
            self.send_sms(number=number, message=message)


class CodesOfItsOwn(ShopBackend):
    code = "4711"

    def generate_security_code(self):
        return self.code

    def generate_message(self, security_code, context=None):
        return f"Shop: {security_code}"


class WithoutBulk:
    def send_sms(self, number, message):
        """Alone it is not enough."""
'''


class Backend:
    """Keeps what it is given."""

    def __init__(self):
        self.sent = []

    def send_sms(self, number, message):
        self.sent.append((number, message))

    def send_bulk_sms(self, numbers, message):
        raise AssertionError("nobody has many numbers")


class Secretive(Exception):
    """Its text is nothing for a log."""

    def __init__(self):
        super().__init__(f"{RECIPIENT} {CODE} s3cret")


class Hanging(Backend):
    """Does not come back before it is let go."""

    def __init__(self):
        super().__init__()
        self.go_on = threading.Event()

    def send_sms(self, number, message):
        self.go_on.wait(5)
        super().send_sms(number, message)


def over(backend, timeout=5.0, calls_at_once=4):
    return BackendChannel(lambda: backend, timeout, calls_at_once)


def inside():
    return [thread for thread in threading.enumerate() if thread.name == "backend"]


def timed_out(*_, **__):
    """What waits in vain, for a template of words perhaps."""
    raise TimeoutError


def raising(*_, **__):
    raise Secretive


@pytest.fixture
def hanging():
    backend = Hanging()
    yield backend
    backend.go_on.set()


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The name of a module of the operator's, of which Python learns with this test and forgets after it."""
    (tmp_path / "shop_sms.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "shop_sms"
    sys.modules.pop("shop_sms", None)


# ---- the class, by its name


def settings_of(dotted, **options):
    return make_settings(phone_verification=PhoneVerification(dotted, options))


def test_a_class_by_its_dotted_name(module):
    """It is made with the OPTIONS as they are written, and gets the number and the text."""
    settings = settings_of(f"{module}.ShopBackend", FROM="Shop")
    assert BackendChannel.faults(settings) == []
    channel = BackendChannel.open(Parts(settings))
    assert channel.deliver(message()) == SENT
    assert importlib.import_module(module).SENT == [("Shop", RECIPIENT, TEXT)]


@pytest.mark.parametrize(("name", "line"), [
    ("WithoutBulk", "shop_sms.WithoutBulk has no send_bulk_sms"),
    ("ShopBackend", "shop_sms.ShopBackend cannot be made with these OPTIONS: KeyError"),
    ("Nothing", "shop_sms has no Nothing that can be called: name something that it has"),
])  # fmt: skip
def test_a_class_that_cannot_be_used(module, name, line):
    """One line says why, to whoever loads it and before the server starts."""
    with pytest.raises(ValueError) as caught:
        load_backend(f"{module}.{name}", {})
    assert str(caught.value) == line
    assert BackendChannel.faults(settings_of(f"{module}.{name}")) == [f"PHONE_VERIFICATION: BACKEND: {line}"]


def test_a_module_that_is_not_there():
    with pytest.raises(ValueError, match="there is no module no_such_shop"):
        load_backend("no_such_shop.sms.Backend", {})


def test_options_are_not_in_the_line_for_a_class_that_does_not_want_them(module):
    """They have secrets, and a constructor's error may repeat them."""
    with pytest.raises(ValueError, match="cannot be made with these OPTIONS: TypeError") as caught:
        load_backend(f"{module}.WithoutBulk", {"s3cret": "s3cret"})
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("chosen", [PhoneVerification(), PhoneVerification(TWILIO), PhoneVerification(SANDBOXES[0])])
def test_the_channel_needs_a_class(chosen):
    """OTP_CHANNELS=backend alone says what else to set."""
    line = "PHONE_VERIFICATION: channel backend needs a BACKEND of your own, such as package.module.Class"
    assert BackendChannel.faults(make_settings(phone_verification=chosen)) == [line]


# ---- messages


def test_each_message_has_an_object_of_its_own():
    """What one leaves in `self` is not there for another that is sent at the same time."""
    made = []

    def make():
        made.append(Backend())
        return made[-1]

    channel = BackendChannel(make, 5.0)
    assert [channel.deliver(message()), channel.deliver(message("+14155550100"))] == [SENT, SENT]
    assert [backend.sent for backend in made] == [[(RECIPIENT, TEXT)], [("+14155550100", TEXT)]]


WORDS = {
    "with a context": lambda code, context=None: f"{code}, context {context}",
    "any keywords": lambda code, **more: f"{code}, context {more['context']}",
    "the code alone": lambda code: f"{code}, context None",
}


@pytest.mark.parametrize("generate", WORDS.values(), ids=WORDS)
def test_a_class_with_words_of_its_own(generate):
    """generate_message gets the code, and a context if it can take one: there never is any."""
    backend = Backend()
    backend.generate_message = generate
    assert over(backend).deliver(message()) == SENT
    assert backend.sent == [(RECIPIENT, f"{CODE}, context None")]


@pytest.mark.parametrize("nothing", ["", None])
def test_no_words_are_the_servers(nothing):
    """A generate_message that returns nothing leaves it to MESSAGE."""
    backend = Backend()
    backend.generate_message = lambda code, context=None: nothing
    over(backend).deliver(message())
    assert backend.sent == [(RECIPIENT, TEXT)]


@pytest.mark.parametrize("generate", [raising, timed_out, lambda code: 7, lambda: "too few arguments"])
def test_without_a_text_nothing_is_sent(generate):
    """Then the message certainly did not go, and another channel may take it."""
    backend = Backend()
    backend.generate_message = generate
    assert over(backend).deliver(message()) == REFUSED
    assert backend.sent == []


def test_an_object_that_cannot_be_made_sends_nothing():
    """As when its constructor reaches for something that is away."""
    assert BackendChannel(raising, 5.0).deliver(message()) == REFUSED


@pytest.mark.parametrize("error", [Secretive, TimeoutError, SystemExit, KeyboardInterrupt])
def test_nobody_knows_what_became_of_a_message_that_raised(error):
    """It may have gone before that, so it is not sent again."""
    backend = Backend()

    def send_sms(number, text):
        raise error

    backend.send_sms = send_sms
    assert over(backend).deliver(message()) == UNKNOWN


@pytest.mark.parametrize("method", ["send_sms", "generate_message", "generate_security_code"])
def test_what_a_class_raises_is_logged_by_its_name_alone(method, caplog):
    """The text may have the number and the code in it."""
    backend = Backend()
    setattr(backend, method, raising)
    channel = over(backend)
    channel.deliver(message())
    if method == "generate_security_code":
        with pytest.raises(ChannelDown) as caught:
            channel.new_code()
        assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)
    assert [record.getMessage() for record in caplog.records] == [
        "The back end failed: Secretive"
    ]
    assert caplog.records[0].exc_info is None


# ---- a class that hangs


def test_a_class_that_hangs_is_not_waited_for(hanging):
    """After the timeout nobody knows; if it comes back at last, the message has gone once."""
    assert over(hanging, timeout=0.05).deliver(message()) == UNKNOWN
    hanging.go_on.set()
    wait_until(lambda: hanging.sent == [(RECIPIENT, TEXT)])


def test_words_that_hang_are_not_followed_by_another_channel():
    """generate_message may come back yet, and then the message goes: so it is not refused."""
    backend, go_on = Backend(), threading.Event()
    backend.generate_message = lambda code: go_on.wait(5) and code
    try:
        assert over(backend, timeout=0.05).deliver(message()) == UNKNOWN
    finally:
        go_on.set()


def test_threads_of_a_class_that_hangs_are_bounded(hanging):
    """With all of them inside, messages are refused and the channel is down; when they are back, it works again."""
    channel = over(hanging, timeout=0.05, calls_at_once=2)
    wait_until(lambda: not inside())
    assert [channel.deliver(message()) for _ in range(4)] == [UNKNOWN, UNKNOWN, UNREACHABLE, UNREACHABLE]
    assert [thread.daemon for thread in inside()] == [True, True]  # the server's end does not wait for them
    with pytest.raises(ChannelDown):
        channel.ping()
    hanging.go_on.set()
    wait_until(lambda: not inside())
    channel.ping()
    assert channel.deliver(message()) == SENT
    assert len(hanging.sent) == 3


def test_a_thread_that_cannot_begin_sends_nothing(monkeypatch):
    """The message was refused, and its place is free again."""
    backend = Backend()
    channel = over(backend, calls_at_once=1)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", lambda self: (_ for _ in ()).throw(RuntimeError("no more threads")))
        assert channel.deliver(message()) == UNREACHABLE
    assert channel.deliver(message()) == SENT
    assert len(backend.sent) == 1


# ---- codes


def test_a_code_of_the_classs_own_making():
    """generate_security_code is asked for the code of a verification that begins."""
    backend = Backend()
    backend.generate_security_code = lambda: "0123"
    assert over(backend).new_code() == "0123"


def test_a_class_without_codes_leaves_them_to_the_server():
    assert over(Backend()).new_code() == ""


@pytest.mark.parametrize("code", ["123", "12345678901", "12345x", "١٢٣٤٥٦", 123456, None, "123456\n"])
def test_what_cannot_be_a_code_stops_the_send(code, caplog):
    """Or a user would get what nobody could ever check; the log does not repeat it."""
    backend = Backend()
    backend.generate_security_code = lambda: code
    with pytest.raises(ChannelDown):
        over(backend).new_code()
    line = "The back end's generate_security_code has not returned 4 to 10 digits"
    assert [record.getMessage() for record in caplog.records] == [line]


def test_a_code_that_does_not_come_stops_the_send(hanging):
    hanging.generate_security_code = lambda: hanging.go_on.wait(5)
    with pytest.raises(ChannelDown):
        over(hanging, timeout=0.05).new_code()


# ---- on a server


@pytest.fixture
def site(module, open_site):
    """A server whose API phone sends through a class of the module."""
    def start(name):
        changes = {"TOKEN_LENGTH": 8, "MESSAGE": "{app}: {security_code}", "APP_NAME": "Shop"}
        text = django(BACKEND=f"{module}.{name}", OPTIONS={"FROM": "Shop"}, **changes)
        return open_site(otp_apis="phone", otp_channels="backend", phone_verification=text)

    return start


def registered(site):
    return site.app.test_client().post("/api/phone/register", json={"phone_number": RECIPIENT}, base_url=BASE_URL)


def verified(site, code, token):
    held = {"phone_number": RECIPIENT, "security_code": code, "session_token": token}
    return site.app.test_client().post("/api/phone/verify", json=held, base_url=BASE_URL).status_code


def test_a_server_sends_through_the_class(site, module):
    """In the words of MESSAGE, with a code of TOKEN_LENGTH digits, which is accepted."""
    running = site("ShopBackend")
    token = registered(running).json["session_token"]
    ((sender, number, text),) = importlib.import_module(module).SENT
    assert (sender, number) == ("Shop", RECIPIENT)
    assert re.fullmatch("Shop: [0-9]{8}", text)
    assert verified(running, text[-8:], token) == 200


def test_a_server_takes_the_classs_codes_and_words(site, module):
    """The code that the class made is the one that opens, whatever TOKEN_LENGTH is."""
    running = site("CodesOfItsOwn")
    token = registered(running).json["session_token"]
    assert importlib.import_module(module).SENT == [("Shop", RECIPIENT, "Shop: 4711")]
    assert [verified(running, code, token) for code in ("4712", "4711", "4711")] == [400, 200, 400]


def test_a_server_sends_nothing_without_a_code(site, module):
    """When the class makes something else, the API says so, and the next one is sent as if nothing had been."""
    running = site("CodesOfItsOwn")
    shop = importlib.import_module(module)
    shop.CodesOfItsOwn.code = "ABCD"
    assert registered(running).status_code == 503
    assert shop.SENT == []
    shop.CodesOfItsOwn.code = "4711"
    assert registered(running).status_code == 200


# ---- what every channel has


def test_it_is_called_backend_and_reaches_no_landlines():
    assert (BackendChannel.name, BackendChannel.landlines) == ("backend", False)


def test_it_is_up_before_and_after_use_and_closes_twice():
    channel = over(Backend())
    channel.ping()
    channel.deliver(message())
    channel.ping()
    channel.close()
    channel.close()
