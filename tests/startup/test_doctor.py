"""What `doctor` finds: each fault that is planted is named, with what mends it, and what cannot be asked is said."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from werkzeug.serving import make_server

from otp_app import startup
from otp_app.serving.app import create_app
from otp_app.settings.diagnosis import Diagnosis, State
from otp_app.startup import doctor
from otp_app.wiring import build
from tests.faults.conftest import read_only, small_file_system
from tests.running import free_port
from tests.twilio.fake_account import template
from tests.twilio.fake_twilio import FakeTwilio

ACCOUNT, CONTENT, POOL, SERVICE = "AC" + "1" * 32, "HX" + "1" * 32, "MG" + "1" * 32, "VA" + "1" * 32
API_KEY = {"TWILIO_API_KEY_SID": "SK" + "1" * 32, "TWILIO_API_KEY_SECRET": "secret"}
IN_POOL = {"TWILIO_MESSAGING_SERVICE_SID": POOL}
ROOMY = 2**40
KEY = f"shop:send+verify:{'ab' * 32}"


@pytest.fixture
def twilio() -> Iterator[FakeTwilio]:
    """An account in which everything is in order."""
    with FakeTwilio(ACCOUNT) as fake:
        yield fake
        assert not fake.violations


@pytest.fixture
def environ(twilio: FakeTwilio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Settings in which everything is in order, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    return {
        "PORT": str(free_port()), "OTP_STORE_URL": "sqlite:///otp.db", "OTP_API_KEYS": KEY, "OTP_COUNTRIES": "US",
        "OTP_CHANNELS": "whatsapp,sms", "TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": twilio.auth_token,
        "TWILIO_PHONE_NUMBER": "+14155550100", "TWILIO_WHATSAPP_NUMBER": "+14155550101", "TWILIO_CONTENT_SID": CONTENT,
        "TWILIO_API_BASE_URL": twilio.url,
    }  # fmt: skip


def found(environ: dict[str, str], free: int = ROOMY) -> list[Diagnosis]:
    """All that is said."""
    return list(doctor.examine(environ, lambda _: free))


def faults(environ: dict[str, str], free: int = ROOMY) -> list[str]:
    """The faults, each with its remedy."""
    return [f"{each.about}: {each.why}: {each.remedy}" for each in found(environ, free) if each.state == State.FAULT]


def test_nothing_is_wrong_where_everything_is_in_order(environ: dict[str, str]) -> None:
    said = found(environ)
    assert [each for each in said if each.state == State.FAULT] == []
    assert {"Twilio credentials", "Twilio account", "Clock", "TWILIO_PHONE_NUMBER", "TWILIO_WHATSAPP_NUMBER",
            "TWILIO_CONTENT_SID", "Disk", "Store", "History", "PORT",
            } <= {each.about for each in said if each.state == State.OK}


def test_what_no_document_describes_is_not_taken_for_good(environ: dict[str, str]) -> None:
    geo = next(each for each in found(environ) if each.about == "OTP_COUNTRIES")
    assert geo.state == State.NOT_CHECKED
    assert "US" in geo.why


def test_nothing_is_made(environ: dict[str, str], tmp_path: Path) -> None:
    found(environ)
    assert list(tmp_path.iterdir()) == []


#: what is planted -> (what the stand-in is told, the settings that are changed, what the fault begins with, and names)
PLANTED = {
    "a wrong token": ({}, {"TWILIO_AUTH_TOKEN": "othertoken123456"}, "Twilio credentials", "TWILIO_AUTH_TOKEN anew"),
    "an API key that was revoked": ({}, API_KEY, "Twilio credentials", "TWILIO_API_KEY_SID"),
    "a token for receipts that is wrong": (
        {"api_keys": {"SK" + "1" * 32: "secret"}}, API_KEY | {"TWILIO_AUTH_TOKEN": "xtoken1234567890"},
        "TWILIO_AUTH_TOKEN", "forged",
    ),
    "a key without its secret": ({}, {"TWILIO_API_KEY_SID": "SK" + "1" * 32}, "TWILIO_API_KEY_SID", "set both"),
    "a placeholder": ({}, {"TWILIO_CONTENT_SID": "HX" + "0" * 32}, "TWILIO_CONTENT_SID: this is a place", "console"),
    "a suspended account": ({"account.status": "suspended"}, {}, "Twilio account", "suspended"),
    "a sender of others": ({"account.numbers": {}}, {}, "TWILIO_PHONE_NUMBER", "does not own it"),
    "a sender without SMS": ({"account.numbers": {"+14155550100": False}}, {}, "TWILIO_PHONE_NUMBER", "cannot send"),
    "a sender without WhatsApp": ({"account.whatsapp": {}}, {}, "TWILIO_WHATSAPP_NUMBER", "no WhatsApp sender"),
    "a WhatsApp sender that is off": (
        {"account.whatsapp": {"whatsapp:+14155550101": "OFFLINE"}}, {}, "TWILIO_WHATSAPP_NUMBER", "OFFLINE",
    ),
    "no such template": ({"account.templates": {}}, {}, "TWILIO_CONTENT_SID", "no such template"),
    "a paused template": ({"account.templates": {CONTENT: template("paused")}}, {}, "TWILIO_CONTENT_SID", "paused"),
    "a template of marketing": (
        {"account.templates": {CONTENT: template(category="MARKETING")}}, {}, "TWILIO_CONTENT_SID", "MARKETING",
    ),
    "minutes unlike the life of a code": (
        {"account.templates": {CONTENT: template(minutes=10)}}, {}, "TWILIO_CONTENT_SID", "set OTP_TTL=600",
    ),
    "a template with further variables": (
        {"account.templates": {CONTENT: template(body="{{1}}, {{2}}")}}, {}, "TWILIO_CONTENT_SID", "the variables 2",
    ),
    "a template without the code": (
        {"account.templates": {CONTENT: template(body="Hello")}}, {}, "TWILIO_CONTENT_SID", "no variable {{1}}",
    ),
    "a pool without a sender": ({"account.pools": {POOL: []}}, IN_POOL, "TWILIO_MESSAGING_SERVICE_SID", "no sender"),
    "a pool of others": ({"account.pools": {}}, IN_POOL, "TWILIO_MESSAGING_SERVICE_SID", "no such"),
    "a Verify service with longer codes": (
        {"account.code_length": 8}, {"OTP_CHANNELS": "twilio_verify", "TWILIO_VERIFY_SERVICE_SID": SERVICE},
        "TWILIO_VERIFICATION_SERVICE_SID", "set OTP_CODE_LENGTH=8",
    ),
    "a clock a minute ahead": ({"clock": lambda: time.time() - 60}, {}, "Clock", "seconds ahead"),
    "a clock a minute behind": ({"clock": lambda: time.time() + 60}, {}, "Clock", "seconds behind"),
    "no way to Twilio": ({}, {"TWILIO_API_BASE_URL": "http://127.0.0.1:1"}, "Twilio credentials", "port 443"),
    "a proxy that is not trusted": (
        {}, {"OTP_PUBLIC_URL": "https://127.0.0.1:1"}, "OTP_TRUSTED_PROXIES", "OTP_TRUSTED_PROXIES=127.0.0.1",
    ),
    "a history that is away": (
        {}, {"OTP_HISTORY_URL": "postgresql://otp:secret@127.0.0.1:1/otp"}, "History", "OTP_HISTORY_URL",
    ),
    "a broker that is away": (
        {}, {"OTP_APIS": "connect", "OTP_AMQP_URL": "amqp://otp:secret@127.0.0.1:1/%2F"}, "OTP_AMQP_URL", "no code",
    ),
    "an address that nobody reaches": ({}, {"OTP_PUBLIC_URL": "http://127.0.0.1:1"}, "OTP_PUBLIC_URL", "nothing"),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_fault_is_named_with_its_remedy(planted: str, environ: dict[str, str], twilio: FakeTwilio) -> None:
    told, given, begins, names = PLANTED[planted]
    for name, value in told.items():
        part, _, attribute = name.rpartition(".")
        setattr(getattr(twilio, part) if part else twilio, attribute, value)
    lines = faults(environ | given)
    assert any(line.startswith(begins) and names in line for line in lines), found(environ | given)


SHIPPED, SPANISH = "HX" + "2" * 32, "HX" + "3" * 32
TEMPLATES = f"""
[shipped]
sms = "Your order {{number}} is on its way."
[shipped.whatsapp]
content_sid = "{SHIPPED}"
content_sid_by_locale = {{ es = "{SPANISH}" }}
variables = {{ 1 = "number" }}

[closed]
sms = "We are closed today."
"""


def shipped(language: str = "en", **given: str) -> dict[str, object]:
    """A template as the file uses it, but for what is given."""
    return template(**{"category": "UTILITY", "body": "Order {{1}} is on its way."} | given, language=language)


@pytest.fixture
def notifying(environ: dict[str, str], twilio: FakeTwilio, tmp_path: Path) -> dict[str, str]:
    """Settings with notifications, whose templates are in order."""
    (tmp_path / "templates.toml").write_text(TEMPLATES, encoding="ascii")
    twilio.account.templates |= {SHIPPED: shipped(), SPANISH: shipped("es_MX")}
    return environ | {"OTP_TEMPLATES_FILE": "templates.toml"}


def of_templates(environ: dict[str, str]) -> list[tuple[str, State, str]]:
    """What is said of the templates of notifications."""
    return [(each.about, each.state, each.why) for each in found(environ) if each.about.startswith("Template ")]


def test_the_templates_of_notifications_are_asked_about(notifying: dict[str, str]) -> None:
    """Each, in each language; what is sent as a text alone has none at Twilio."""
    assert of_templates(notifying) == [
        ("Template shipped", State.OK, "the template is approved, for the language en"),
        ("Template shipped in es", State.OK, "the template is approved, for the language es_MX"),
    ]
    assert faults(notifying) == []


#: what is planted in the template of notifications -> what is said of it
IN_TEMPLATES = {
    "paused": (shipped(status="paused"), State.FAULT, "paused"),
    "of codes": (shipped(category="AUTHENTICATION"), State.FAULT, "calls what it says a code"),
    "with a further variable": (shipped(body="{{1}} comes on {{2}}."), State.FAULT, "variables 2, which nobody fills"),
    "without its variable": (shipped(body="It comes."), State.ADVICE, "no variables 1"),
    "in another language": (shipped("en_GB"), State.ADVICE, "its language is en_GB"),
    "gone": (None, State.FAULT, "no such template"),
}


@pytest.mark.parametrize("planted", IN_TEMPLATES)
def test_a_template_of_notifications_that_cannot_be_sent_is_named(
    planted: str, notifying: dict[str, str], twilio: FakeTwilio
) -> None:
    """By its name and language, and no other one with it."""
    there, state, says = IN_TEMPLATES[planted]
    twilio.account.templates[SPANISH] = there
    if there is None:
        del twilio.account.templates[SPANISH]
    said = of_templates(notifying)
    assert [each for each in said if each[0] == "Template shipped in es" and each[1] == state and says in each[2]], said
    assert [each[1] for each in said if each[0] == "Template shipped"] == [State.OK]


def test_templates_of_notifications_are_not_asked_about_without_whatsapp(notifying: dict[str, str]) -> None:
    """They are never used then; nor while Twilio refuses the credentials, which is said of all of them."""
    assert of_templates(notifying | {"OTP_CHANNELS": "sms"}) == []
    assert of_templates(notifying | {"TWILIO_AUTH_TOKEN": "othertoken123456"}) == []


def test_templates_that_a_key_may_not_read_are_not_checked(notifying: dict[str, str], twilio: FakeTwilio) -> None:
    twilio.fail(20003, operation="FetchContent", status=403, times=3)
    assert [state for _, state, _ in of_templates(notifying)] == [State.NOT_CHECKED] * 2


def test_a_disk_that_is_nearly_full_is_named(environ: dict[str, str]) -> None:
    assert [line for line in faults(environ, 99 * 2**20) if "only 99 MiB" in line]


def test_settings_that_others_can_read_are_named(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OTP_TTL=300\n", encoding="ascii")
    (tmp_path / ".env").chmod(0o644)
    assert ".env: other users can read this file: chmod 600 .env" in faults(environ)


@pytest.mark.slow
def test_a_history_in_the_file_of_another_program_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    """The server goes on without one, is ready, and says so in its log alone."""
    with closing(sqlite3.connect(tmp_path / "recipes.db")) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    (tmp_path / "recipes.db").chmod(0o600)
    (line,) = faults(environ | {"OTP_HISTORY_URL": "sqlite:///recipes.db"})
    assert line.startswith("History: it is not kept: ")
    assert "its file is something else" in line


def test_a_history_that_cannot_be_written_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    """Nothing of it is made to find that out."""
    with small_file_system(tmp_path / "disk") as disk:
        read_only(disk)
        (line,) = faults(environ | {"OTP_HISTORY_URL": f"sqlite:///{disk}/histories/otp.db"})
    assert line.startswith("History: this user cannot write ")


def test_a_store_that_cannot_be_written_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    with small_file_system(tmp_path / "disk") as disk:
        environ["OTP_STORE_URL"] = f"sqlite:///{disk}/otp.db"
        startup.prepare(startup.load(environ))
        read_only(disk)
        assert [line for line in faults(environ) if line.startswith(("Store", "OTP_STORE_URL"))]


def test_a_faulty_row_of_the_directory_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    users = {"OTP_APIS": "native,users", "OTP_DIRECTORY_URL": "file:users.csv"}
    (tmp_path / "users.csv").write_text("user_id,phone_number\n1,+14155552671\n2,none\n", encoding="ascii")
    assert [line for line in faults(environ | users) if line.startswith("OTP_DIRECTORY_URL") and "3" in line]
    (tmp_path / "users.csv").write_text("user_id,phone_number\n1,+14155552671\n", encoding="ascii")
    (read,) = [each.why for each in found(environ | users) if each.about == "OTP_DIRECTORY_URL"]
    assert read == "it can be read, users: 1"


@contextmanager
def listening(port: int, app: Any) -> Iterator[None]:
    """A WSGI application behind a port of this machine."""
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def served(environ: dict[str, str], host: str = "") -> Iterator[None]:
    """Run the server of these settings, and set OTP_PUBLIC_URL to where it is; `host`: what a proxy calls it."""
    environ["OTP_PUBLIC_URL"] = f"http://127.0.0.1:{environ['PORT']}"
    services = build(startup.load(environ))
    app = create_app(services.settings, services)
    proxied = lambda asked, start: app(asked | {"HTTP_HOST": host or asked["HTTP_HOST"]}, start)  # noqa: E731
    with listening(int(environ["PORT"]), proxied):
        yield
    services.close()


def test_receipts_are_posted_as_twilio_posts_them(environ: dict[str, str]) -> None:
    with served(environ):
        said = {each.about: each for each in found(environ)}
    assert said["OTP_PUBLIC_URL"].state == State.OK
    assert "this machine alone" in said["OTP_PUBLIC_URL"].why
    assert said["PORT"].why == f"the server answers at {environ['PORT']}"


@contextmanager
def answering(port: int, text: str) -> Iterator[None]:
    """Another program, which answers everything with a text."""

    def app(_: object, start: Callable[..., object]) -> list[bytes]:
        start("200 OK", [("Content-Type", "application/json")])
        return [text.encode()]

    with listening(port, app):
        yield


def port_of(environ: dict[str, str]) -> Diagnosis:
    """What is said of PORT, or of HOST and PORT."""
    (said,) = [each for each in found(environ) if each.about in {"PORT", "HOST, PORT"}]
    return said


@pytest.mark.parametrize(
    "text", ['{"status": "ok"}', '{"error_type": "x"}', '{"name": "other"}', "[]", "<html>", "[" * 9000]
)
def test_a_program_that_answers_much_like_this_server_is_another_one(environ: dict[str, str], text: str) -> None:
    with answering(int(environ["PORT"]), text):
        assert "in use by another program" in port_of(environ).why


def test_a_server_that_was_not_restarted_after_an_upgrade_is_named(environ: dict[str, str]) -> None:
    with answering(int(environ["PORT"]), '{"name": "otp_app", "version": "0.0.1"}'):
        said = port_of(environ)
    assert said.state == State.ADVICE
    assert "version 0.0.1" in said.why


def test_a_server_at_another_port_is_not_denied(environ: dict[str, str]) -> None:
    """Which doctor cannot see: it says which port is free, and how to ask about the other."""
    with served(environ):
        said = port_of(environ | {"PORT": (free := str(free_port()))})
    assert (said.state, said.why) == (State.OK, f"{free} is free: no server runs there")
    assert "HOST and PORT" in said.remedy


def test_a_server_that_takes_its_own_names_alone_is_found(environ: dict[str, str]) -> None:
    environ["OTP_TRUSTED_HOSTS"] = "otp.example.com"
    with served(environ):
        assert port_of(environ).state == State.OK


def test_an_address_of_another_machine_is_no_program_that_is_silent(environ: dict[str, str]) -> None:
    """What the start would say is said: nobody could listen there."""
    said = port_of(environ | {"HOST": "192.0.2.1"})
    assert (said.about, said.state) == ("HOST, PORT", State.FAULT)
    assert "cannot listen on 192.0.2.1" in said.why


def test_a_server_with_another_token_is_named(environ: dict[str, str], twilio: FakeTwilio) -> None:
    with served(environ):
        twilio.auth_token = environ["TWILIO_AUTH_TOKEN"] = "newtoken12345678"
        lines = faults(environ)
    assert [line for line in lines if line.startswith("OTP_PUBLIC_URL") and "another token" in line]


def test_a_name_that_the_server_rejects_is_named(environ: dict[str, str]) -> None:
    environ["OTP_TRUSTED_HOSTS"] = "otp.example.com"
    with served(environ, host="upstream"):
        said = found(environ)
    assert [each for each in said if each.about == "OTP_PUBLIC_URL" and "proxy_set_header Host" in each.remedy]
    assert "OTP_TRUSTED_HOSTS" in [each.about for each in said if each.state == State.ADVICE]


def test_another_program_at_the_address_is_named(environ: dict[str, str], twilio: FakeTwilio) -> None:
    environ |= {"OTP_PUBLIC_URL": twilio.url, "PORT": twilio.url.rpartition(":")[2]}
    lines = faults(environ)
    assert [line for line in lines if line.startswith("OTP_PUBLIC_URL: another program answers there")]
    assert [line for line in lines if line.startswith("PORT") and "another program" in line]


def test_a_key_that_may_only_send_leaves_things_unchecked(environ: dict[str, str], twilio: FakeTwilio) -> None:
    for operation in ("FetchContent", "ListChannelsSender", "ListIncomingPhoneNumber"):
        twilio.fail(20003, operation=operation, status=403)
    said = {each.about: each.state for each in found(environ)}
    names = ("TWILIO_CONTENT_SID", "TWILIO_WHATSAPP_NUMBER", "TWILIO_PHONE_NUMBER")
    assert [said[name] for name in names] == [State.NOT_CHECKED] * 3


def test_a_key_that_may_not_read_messages_is_no_wrong_key(environ: dict[str, str], twilio: FakeTwilio) -> None:
    twilio.fail(20003, operation="ListMessage", status=403)
    said = {each.about: each.state for each in found(environ)}
    assert (said["Twilio credentials"], said["TWILIO_CONTENT_SID"]) == (State.NOT_CHECKED, State.OK)


@pytest.mark.parametrize("given", [{"TWILIO_AUTH_TOKEN": "other"}, {"TWILIO_API_BASE_URL": "http://127.0.0.1:1"}])
def test_what_was_not_asked_is_said(environ: dict[str, str], given: dict[str, str]) -> None:
    said = {each.about: each.state for each in found(environ | given)}
    assert said["Twilio senders and templates"] == State.NOT_CHECKED


def test_settings_that_cannot_be_read_are_all_that_is_said(environ: dict[str, str]) -> None:
    assert [each.state for each in found(environ | {"OTP_TTL": "x"})] == [State.FAULT, State.NOT_CHECKED]
