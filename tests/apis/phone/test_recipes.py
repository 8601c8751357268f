"""The three recipes for users of django-phone-verify, against the example that docs/phone-verify-recipes.md shows."""

import importlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager, suppress
from functools import partial
from types import SimpleNamespace

import pytest
from werkzeug.security import generate_password_hash

from otp_app.core.events import Approval
from otp_app.wiring import build
from tests.configuration import make_settings
from tests.phone_verification import SANDBOX_BACKEND, django
from tests.running import ROOT, call, free_port, wait_until
from tests.web.site import BASE_URL, SETTINGS, FakeClock

EXAMPLE = ROOT / "examples" / "phone_accounts"
DOCUMENT = ROOT / "docs" / "phone-verify-recipes.md"
PHONE, OTHER = "+14155552671", "+14155552672"
USER = {"username": "ann", "email": "ann@example.com", "password": "correct horse"}
NOT_VALID = {"non_field_errors": ["Security code is not valid"]}
TAKEN = {"non_field_errors": ["A user with this phone number or username already exists."]}


class Shop:
    """The example in this process, and what its users do."""

    def __init__(self, module, **given):
        self.services = build(make_settings(**SETTINGS | {"otp_apis": "native,phone"} | given), FakeClock())
        self.app = module.create_app(services=self.services)
        self.channel = self.services.channels[0]

    def post(self, path, body, client=None):
        return (client or self.app.test_client()).post(path, json=body, base_url=BASE_URL)

    def code_for(self, phone=PHONE):
        """Register a phone; returns what its owner has then: number, code and session token."""
        answer = self.post("/api/phone/register", {"phone_number": phone})
        assert answer.status_code == 200, answer.json
        code = next(message.code for message in reversed(self.channel.messages) if message.to == phone)
        return {"phone_number": phone, "security_code": code, "session_token": answer.json["session_token"]}

    def register(self, held, **changes):
        answer = self.post("/api/phone/verify_and_register", USER | held | changes)
        return answer.status_code, answer.json

    def login(self, held):
        """Returns the status, the answer, and who is logged in with what came back."""
        client = self.app.test_client()
        answer = self.post("/api/phone/login", held, client)
        return answer.status_code, answer.json, client.get("/me", base_url=BASE_URL).json.get("username", "nobody")


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """The example's two files, on a database of this test; to hash a password takes them no tenth of a second."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.setenv("SHOP_DATABASE", str(tmp_path / "shop.db"))
    monkeypatch.setenv("SHOP_SECRET_KEY", "a key of tests")
    example = SimpleNamespace(app=importlib.import_module("app"), accounts=importlib.import_module("accounts"))
    quick = partial(generate_password_hash, method="pbkdf2:sha256:1")
    monkeypatch.setattr(example.app, "generate_password_hash", quick)
    yield example
    for name in ("app", "accounts"):
        del sys.modules[name]


@pytest.fixture
def open_shop(modules):
    opened = []

    def start(**given):
        opened.append(Shop(modules.app, **given))
        return opened[-1]

    yield start
    for shop in opened:
        shop.services.close()


@pytest.fixture
def shop(open_shop):
    return open_shop()


@pytest.fixture
def hooked(open_shop):
    """The shop of the third recipe: whoever verifies a phone has a user."""
    return open_shop(otp_on_approved="accounts:create_user")


@pytest.fixture
def users(tmp_path):
    """Call it for all users, as (phone, username)."""

    def rows():
        with closing(sqlite3.connect(tmp_path / "shop.db")) as database:
            return database.execute("SELECT phone, username FROM users ORDER BY id").fetchall()

    return rows


def at_once(times, what):
    """Run the same in so many threads that begin together; returns the answers."""
    barrier, answers = threading.Barrier(times), []

    def run():
        barrier.wait(5)
        answers.append(what())

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


# ---- 1: the endpoints alone


def test_endpoints_alone(shop):
    answer = shop.post("/api/phone/verify", shop.code_for())
    assert (answer.status_code, answer.json) == (200, {"message": "Security code is valid."})


# ---- 2: verify and register


def test_a_right_code_makes_a_user(shop, users, modules):
    """Who holds the phone and chose a free name has an account; the password is not kept as it is."""
    assert shop.register(shop.code_for()) == (200, {"username": "ann", "email": "ann@example.com"})
    assert users() == [(PHONE, "ann")]
    assert modules.accounts.with_phone(PHONE)["username"] == "ann"
    with closing(modules.accounts._open()) as database:
        (password,) = database.execute("SELECT password FROM users").fetchone()
    assert password.startswith(("scrypt:", "pbkdf2:"))


@pytest.mark.parametrize("changes", [
    {"security_code": "0000"}, {"session_token": "x.y.z"}, {"phone_number": OTHER},
], ids=["code", "token", "number"])  # fmt: skip
def test_no_user_without_the_phone(shop, users, changes):
    """A wrong code, a token that was never issued, and a token of another number are answered in the same words."""
    held = shop.code_for()
    assert shop.register(held, **changes) == (400, NOT_VALID)
    assert users() == []


def test_what_is_no_number_is_refused(shop):
    """In the API's shape, as its path is under the API's."""
    status, said = shop.register(shop.code_for(), phone_number="12")
    assert (status, list(said)) == (400, ["detail"])


@pytest.mark.parametrize(("changes", "field"), [
    ({"username": " "}, "username"), ({"username": None}, "username"), ({"email": "ann"}, "email"),
    ({"password": "short"}, "password"), ({"password": 1234567890}, "password"),
    ({"security_code": ""}, "security_code"), ({"username": "ANN"}, "username"),
])  # fmt: skip
def test_a_slip_in_the_form_does_not_cost_the_code(shop, users, changes, field):
    """The fields are looked at first, the name's freedom too; the same code works for the form that is right."""
    assert shop.register(shop.code_for(OTHER))[0] == 200
    held = shop.code_for()
    status, said = shop.register(held, **changes)
    assert (status, list(said)) == (400, [field])
    assert shop.register(held, username="bob")[0] == 200
    assert users() == [(OTHER, "ann"), (PHONE, "bob")]


@pytest.mark.parametrize("body", [7, [], "text", {}])
def test_a_body_without_fields(shop, body):
    """Each missing field is named."""
    answer = shop.post("/api/phone/verify_and_register", body)
    assert answer.status_code == 400
    assert set(answer.json) == USER.keys() | {"phone_number", "security_code", "session_token"}


def test_a_code_makes_one_user(shop, users):
    """Also when two registers come at the same moment, with two names."""
    held, names = shop.code_for(), iter(["ann", "bob", "cem", "dan"])
    answers = at_once(4, lambda: shop.register(held, username=next(names)))
    assert sorted(status for status, _ in answers) == [200, 400, 400, 400]
    assert len(users()) == 1


@pytest.mark.parametrize("names", [["ann"] * 4, ["ann", "bob", "cem", "dan"]], ids=["one name", "four names"])
def test_a_code_that_may_be_used_again_makes_one_user_too(open_shop, users, names):
    """VERIFY_SECURITY_CODE_ONLY_ONCE=False: then the table alone holds them apart."""
    often = django(BACKEND=SANDBOX_BACKEND, VERIFY_SECURITY_CODE_ONLY_ONCE=False)
    shop = open_shop(phone_verification=often)
    held, wanted = shop.code_for(), iter(names)
    answers = at_once(4, lambda: shop.register(held, username=next(wanted)))
    assert sorted(status for status, _ in answers) == [200, 400, 400, 400]
    assert len(users()) == 1
    assert shop.register(held, username="eve") == (400, TAKEN)


def test_a_phone_has_one_user(shop, users):
    """A second code for the same phone makes no second user, and changes nothing of the first."""
    assert shop.register(shop.code_for())[0] == 200
    held = later(shop)
    assert shop.register(held, username="bob") == (400, TAKEN)
    assert users() == [(PHONE, "ann")]


def test_who_loses_a_race_for_a_name_gets_an_error(shop, users, modules, monkeypatch):
    """When somebody takes it after the form was looked at."""
    assert shop.register(shop.code_for(OTHER))[0] == 200
    monkeypatch.setattr(modules.accounts, "is_taken", lambda _: False)
    assert shop.register(shop.code_for()) == (400, TAKEN)
    assert users() == [(OTHER, "ann")]


def later(shop, phone=PHONE):
    """Another code, once the gap after the first is over."""
    shop.services.verifications._clock.advance(400)
    return shop.code_for(phone)


# ---- 3: a user and a session for whoever verifies a phone


def test_a_phone_that_was_verified_has_a_user(hooked, users):
    """Whatever API the code came through; a second time makes no second user."""
    hooked.post("/api/phone/verify", hooked.code_for())
    assert users() == [(PHONE, None)]
    hooked.post("/api/phone/verify", later(hooked))
    assert users() == [(PHONE, None)]


def test_the_hook_may_be_called_again(modules, users):
    for _ in range(2):
        modules.accounts.create_user(Approval(PHONE, "login", "VE" + "0" * 32, "sms", 1_750_000_000.0))
    assert users() == [(PHONE, None)]


def test_no_user_before_the_code_was_right(hooked, users):
    held = hooked.code_for()
    hooked.post("/api/phone/verify", held | {"security_code": "0000"})
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        users()


def test_a_right_code_logs_in(hooked):
    """The user is made and logged in by the same request, and the cookie is for https and not for scripts."""
    held, client = hooked.code_for(), hooked.app.test_client()
    answer = hooked.post("/api/phone/login", held, client)
    assert (answer.status_code, answer.json) == (200, {"status": "200"})
    cookie = answer.headers["Set-Cookie"]
    assert {"Secure", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))
    assert client.get("/me", base_url=BASE_URL).json == {"username": None}


@pytest.mark.parametrize("field", ["security_code", "session_token", "phone_number"])
def test_a_phone_number_alone_logs_nobody_in(hooked, field):
    """Nobody gets into an account by knowing its number: all three are needed."""
    held = hooked.code_for()
    hooked.post("/api/phone/verify", held)  # the user is there
    fresh = later(hooked)
    del fresh[field]
    assert hooked.login(fresh) == (400, {field: ["This field is required."]}, "nobody")


def test_a_verify_elsewhere_logs_nobody_in(hooked):
    """That the phone was just verified, perhaps by its owner, is no reason to believe another request."""
    held = hooked.code_for()
    assert hooked.post("/api/phone/verify", held).status_code == 200
    assert hooked.login(held) == (400, NOT_VALID, "nobody")


def test_ones_own_code_opens_no_other_account(hooked):
    """Code and token of one phone do not log another one in."""
    hooked.post("/api/phone/verify", hooked.code_for(OTHER))
    held = hooked.code_for(PHONE)
    assert hooked.login(held | {"phone_number": OTHER}) == (400, NOT_VALID, "nobody")


def test_a_wrong_code_logs_nobody_in(hooked):
    held = hooked.code_for()
    assert hooked.login(held | {"security_code": "0000"}) == (400, NOT_VALID, "nobody")
    assert hooked.login(held)[:2] == (200, {"status": "200"})


def test_a_user_who_registered_logs_in(shop):
    shop.register(shop.code_for())
    assert shop.login(later(shop)) == (200, {"status": "200"}, "ann")


def test_who_came_by_phone_can_register_later(hooked, users):
    """The user that the hook made gets the name."""
    hooked.login(hooked.code_for())
    assert hooked.register(later(hooked))[0] == 200
    assert users() == [(PHONE, "ann")]


def test_without_the_hook_a_stranger_has_no_user(shop):
    unknown = {"non_field_errors": ["There is no user with this phone number."]}
    assert shop.login(shop.code_for()) == (400, unknown, "nobody")


def test_nobody_is_logged_in_without_a_cookie(shop):
    client = shop.app.test_client()
    assert client.get("/me", base_url=BASE_URL).status_code == 401
    client.set_cookie("session", "eyJ1c2VyIjoxfQ.Z0000w.AAAAAAAAAAAAAAAAAAAAAAAAAAA", domain="127.0.0.1")
    assert client.get("/me", base_url=BASE_URL).status_code == 401


def test_the_shop_needs_the_servers_keys(open_shop):
    shop = open_shop(otp_api_keys="backend:verify:" + "0" * 64)
    for path in ("/api/phone/verify_and_register", "/api/phone/login"):
        assert shop.post(path, {}).status_code == 401


# ---- as it is started, and as it is shown


@contextmanager
def running(tmp_path, script):
    """Start what the README starts, with a port and files of this test; yields the port and the file of its output."""
    port = free_port()
    variables = {"PATH": os.environ["PATH"], "PORT": str(port), "PYTHONDONTWRITEBYTECODE": "1"}
    variables |= {"OTP_STORE_URL": f"sqlite:///{tmp_path}/otp.db", "SHOP_DATABASE": f"{tmp_path}/shop.db"}
    screen = tmp_path / "screen"
    with screen.open("wb") as out:
        shop = subprocess.Popen(["sh", "-ec", script.replace("../../.venv/bin/python", sys.executable)], cwd=ROOT,
                                env=variables, stdout=out, stderr=out, start_new_session=True)
        try:
            wait_until(lambda: healthy(port), "the start of the shop")
            yield port, screen
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shop.pid, signal.SIGTERM)
            shop.wait(20)


def healthy(port):
    with suppress(OSError):
        return call(port, "GET", "/healthz").status == 200


def asked(readme, port, **values):
    """Send the requests of the README one after the other, with the words in capitals filled in; yields each answer."""
    for body, path in re.findall(r"^curl (?:-d '(.*?)' )?.*http://127.0.0.1:5000(/\S+)$", readme, re.MULTILINE):
        for word, value in values.items():
            body = body.replace(word, value())
        headers = {"Cookie": values["COOKIE"]()}
        yield path, call(port, "POST" if body else "GET", path, body or None, headers)


@pytest.mark.slow
def test_it_runs_as_its_readme_says(tmp_path):
    """Its commands start it, and its requests work in their order, with what the screen and the answers say."""
    readme = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```sh\n(cd .*?)```", readme, re.DOTALL)
    seen = {"TOKEN": "", "COOKIE": ""}
    with running(tmp_path, script) as (port, screen):
        fill = {word: partial(seen.get, word) for word in seen}
        fill["CODE"] = lambda: ["", *re.findall(r"console: to .*?([0-9]{6})$", screen.read_text(), re.MULTILINE)][-1]
        answers = []
        for path, answer in asked(readme, port, **fill):
            seen["TOKEN"] = answer.json.get("session_token", seen["TOKEN"])
            seen["COOKIE"] = (answer.headers["Set-Cookie"] or "").partition(";")[0]
            answers.append((path, answer.status, answer.json))
    register, login = "/api/phone/register", "/api/phone/login"
    assert [(path, status) for path, status, _ in answers[::2]] == [(register, 200), (register, 200), ("/me", 200)]
    assert answers[1] == ("/api/phone/verify_and_register", 200, {"username": "ann", "email": "ann@example.com"})
    assert answers[3:] == [(login, 200, {"status": "200"}), ("/me", 200, {"username": None})]


def test_the_document_shows_the_example():
    """Every Python block of it is a part of the example's files, as it stands there."""
    files = [(EXAMPLE / name).read_text(encoding="utf-8") for name in ("app.py", "accounts.py")]
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 3
    assert [block for block in blocks if not any(block.rstrip("\n") in text for text in files)] == []
