"""What the server refuses to start with."""

import base64
import hashlib
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from otp_app import startup
from otp_app.channels.twilio.settings import TwilioSettings
from otp_app.core.errors import StoreUnavailable
from otp_app.core.moving import Freeze
from otp_app.core.results import SendRequest
from otp_app.settings.keyring import new_lines, new_secret
from otp_app.startup import rules
from otp_app.startup.fallback import settle
from otp_app.startup.reader import read
from otp_app.stores.memory import MemoryStore
from otp_app.stores.sqlite.store import SqliteStore
from otp_app.wiring import build
from tests.configuration import VARIABLES, make_settings
from tests.phone_verification import SANDBOX_BACKEND, django
from tests.running import WRITTEN_TO

KEY = "shop:send:" + "0" * 64
SMS = {
    "OTP_CHANNELS": "sms", "TWILIO_ACCOUNT_SID": "AC" + "0" * 32, "TWILIO_AUTH_TOKEN": "token-of-the-tests",
    "TWILIO_PHONE_NUMBER": "+15005550006",
}  # fmt: skip
SECRET = new_secret()
BOTH = SMS | {"OTP_CHANNELS": "whatsapp,sms", "TWILIO_WHATSAPP_NUMBER": "+14155238886"}
PUBLIC = {"OTP_PUBLIC_URL": "https://otp.example.com"}
KEYS = {"OTP_SECRET_KEYS": f"k1:{SECRET}", "OTP_INDEX_KEY": new_secret()}
ACCOUNT = f"AC{'0' * 32}:{'0' * 64}"
SHOP = {"MESSAGE": "{app} {security_code}", "APP_NAME": "Shop"}
SANDBOX = django(BACKEND=SANDBOX_BACKEND, OPTIONS={"SANDBOX_TOKEN": "123456"}, **SHOP)


def encoded(secret):
    return base64.b64encode(secret).decode()


def digest(secret):
    return hashlib.sha256(secret.encode()).hexdigest()


def day(days):
    """That many days from now, or one less in a run over midnight."""
    return (datetime.now(UTC).date() + timedelta(days)).isoformat()


def refused(environ, folder):
    """The lines with which the server does not start."""
    with pytest.raises(startup.BadSettings) as error:
        startup.load(environ, folder)
    return error.value.faults


#: what is wrong -> (the variables that make it so, the variable that is named first, what the line says to set or do)
REFUSALS = {
    "bound to all addresses": ({"HOST": "0.0.0.0"}, "HOST", "OTP_API_KEYS"),
    "bound to all IPv6 addresses": ({"HOST": "::"}, "HOST", "OTP_PUBLIC=1"),
    "bound to a name": ({"HOST": "otp.example"}, "HOST", "python -m otp_app keys new"),
    "open through a proxy": ({"OTP_TRUSTED_PROXIES": "127.0.0.1"}, "OTP_TRUSTED_PROXIES", "OTP_API_KEYS"),
    "public to all countries": ({"OTP_PUBLIC": "1", **SMS}, "OTP_COUNTRIES", "OTP_COUNTRIES=US,IN"),
    "public to all countries by name": (
        {"OTP_PUBLIC": "1", "OTP_COUNTRIES": "all", **SMS}, "OTP_COUNTRIES", "list of countries",
    ),
    "codes on the screen, with keys": ({"OTP_API_KEYS": KEY}, "OTP_CHANNELS", "set whatsapp or sms"),
    "codes on the screen, in public": (
        {"OTP_PUBLIC": "1", "OTP_COUNTRIES": "US", **SMS, "OTP_CHANNELS": "console"}, "OTP_CHANNELS", "whatsapp or sms",
    ),
    "an unknown API": ({"OTP_APIS": "native,pigeon"}, "OTP_APIS", "name some of connect, demo, inbound, metrics,"),
    "an API twice": ({"OTP_APIS": "native,native"}, "OTP_APIS", "each once"),
    "users without a directory": ({"OTP_APIS": "users"}, "OTP_DIRECTORY_URL", "file:var/users.csv"),
    "users for everybody": (
        {"OTP_APIS": "native,users", "OTP_DIRECTORY_URL": "file:///users.csv", "OTP_PUBLIC": "1",
         "OTP_COUNTRIES": "US", **SMS}, "OTP_API_KEYS", "shows which users are known",
    ),
    "nowhere for Twilio to bring what people write": (
        SMS | WRITTEN_TO | {"OTP_PUBLIC_URL": "", "OTP_APIS": "native,inbound"}, "OTP_PUBLIC_URL", "API inbound",
    ),
    "no number to write to": (
        SMS | WRITTEN_TO | {"TWILIO_WHATSAPP_NUMBER": "", "OTP_APIS": "native,inbound"}, "TWILIO_WHATSAPP_NUMBER",
        "a messaging service does not have",
    ),
    "no number to write SMS to": (
        SMS | WRITTEN_TO | {"TWILIO_PHONE_NUMBER": "SHOP", "OTP_APIS": "native,inbound", "OTP_INBOUND_SMS": "1"},
        "TWILIO_PHONE_NUMBER", "OTP_INBOUND_SMS=1",
    ),
    "no secret that shows who wrote": (
        {"OTP_APIS": "native,inbound", "OTP_CHANNELS": "console", **WRITTEN_TO}, "TWILIO_AUTH_TOKEN",
        "Twilio signs the users' messages with it",
    ),
    "Verify for everybody": (
        {"OTP_APIS": "native,verify_v2", "OTP_API_KEYS": KEY, **SMS}, "OTP_VERIFY_ACCOUNTS", "keys account",
    ),
    "Verify with accounts beside an open native API": (
        {"HOST": "0.0.0.0", "OTP_APIS": "native,verify_v2", "OTP_VERIFY_ACCOUNTS": ACCOUNT}, "HOST", "OTP_API_KEYS",
    ),
    "Verify alone without accounts": (
        {"HOST": "0.0.0.0", "OTP_APIS": "verify_v2"}, "HOST", "OTP_VERIFY_ACCOUNTS (python -m otp_app keys account)",
    ),
    "Verify alone with a slip in its accounts": (
        {"HOST": "0.0.0.0", "OTP_APIS": "verify_v2", "OTP_VERIFY_ACCOUNTS": "AC1:x"}, "OTP_VERIFY_ACCOUNTS", "AC…:",
    ),
    "no account that can be": ({"OTP_VERIFY_ACCOUNTS": "AC1:x"}, "OTP_VERIFY_ACCOUNTS", "keys account"),
    "an account twice": ({"OTP_VERIFY_ACCOUNTS": f"{ACCOUNT},{ACCOUNT}"}, "OTP_VERIFY_ACCOUNTS", "listed twice"),
    "no Verify service that can be": ({"OTP_VERIFY_SERVICES": "VA1:login"}, "OTP_VERIFY_SERVICES", "32 hex digits"),
    "a Verify service twice": (
        {"OTP_VERIFY_SERVICES": f"VA{'1' * 32}:a,VA{'1' * 32}:b"}, "OTP_VERIFY_SERVICES", "each once",
    ),
    "an account that is none": (
        {"PHONE_VERIFICATION": django(OPTIONS={"SID": "fake", "SECRET": "fake", "FROM": "+15005550006"}),
         "OTP_CHANNELS": "sms", "TWILIO_ACCOUNT_SID": ""}, "PHONE_VERIFICATION", "AC and 32 hex digits",
    ),
    "a sandbox for everybody": (
        {"PHONE_VERIFICATION": SANDBOX, "OTP_API_KEYS": KEY, **SMS}, "PHONE_VERIFICATION", "one code for all",
    ),
    "PHONE_VERIFICATION that is none": ({"PHONE_VERIFICATION": "[]"}, "PHONE_VERIFICATION", "a JSON object"),
    "what cannot be called with approvals": ({"OTP_ON_APPROVED": "os:environ"}, "OTP_ON_APPROVED", "can be called"),
    "who breaks": ({"OTP_ON_APPROVED": "tests.broken_module:hook"}, "OTP_ON_APPROVED", "RuntimeError"),
    "options for the function": ({"OTP_ON_APPROVED": "os:getenv?x=1"}, "OTP_ON_APPROVED", "package.module:function"),
    "nobody to tell of approvals": ({"OTP_ON_APPROVED": "no.such:hook"}, "OTP_ON_APPROVED", "no module"),
    "no proof key that can be": ({"OTP_PROOF_KEYS": "p1:HS256:c2hvcnQ="}, "OTP_PROOF_KEYS", "shorter than 32 bytes"),
    "an unknown directory": ({"OTP_DIRECTORY_URL": "ldap://x"}, "OTP_DIRECTORY_URL", "use one of"),
    "a memory to fall back to, for several workers": (
        {"OTP_STORE_FALLBACK": "memory", "WEB_CONCURRENCY": "2"}, "OTP_STORE_FALLBACK", "WEB_CONCURRENCY=1",
    ),
    "a history in the file of the store": (
        {"OTP_STORE_URL": "sqlite:///otp.db", "OTP_HISTORY_URL": "sqlite:///otp.db"}, "OTP_HISTORY_URL", "another",
    ),
    "a history nowhere": ({"OTP_HISTORY_URL": "mongo://x"}, "OTP_HISTORY_URL", "sqlite:///file"),
    "events that nobody signs": ({"OTP_EVENTS_URL": "https://x.com/"}, "OTP_EVENTS_SECRETS", "keys events"),
    "no broker that can be": ({"OTP_AMQP_URL": "http://x"}, "OTP_AMQP_URL", "amqp://user:password@host:5672/%2F"),
    "a broker beside memory": (
        {"OTP_AMQP_URL": "amqp://x", "OTP_STORE_URL": "memory://"}, "OTP_AMQP_URL", "OTP_STORE_URL=sqlite:///",
    ),
    "an unknown store": ({"OTP_STORE_URL": "mongo://x", **KEYS}, "OTP_STORE_URL", "use one of"),
    "a store without a file": ({"OTP_STORE_URL": "sqlite:///"}, "OTP_STORE_URL", "sqlite:///relative/path"),
    "an unknown option of a store": ({"OTP_STORE_URL": "sqlite:///otp.db?mode=ro"}, "OTP_STORE_URL", "synchronous"),
    "memory with a path": ({"OTP_STORE_URL": "memory://x"}, "OTP_STORE_URL", "memory://"),
    "a store that is not there": ({"OTP_STORE_URL": "no.such:Store", **KEYS}, "OTP_STORE_URL", "package.module:Class"),
    "memory for several workers": (
        {"OTP_STORE_URL": "memory://", "WEB_CONCURRENCY": "2"}, "WEB_CONCURRENCY", "OTP_STORE_URL=sqlite:///",
    ),
    "a shared store without keys": (
        {"OTP_STORE_URL": "tests.shared_store:NetworkStore"}, "OTP_SECRET_KEYS", "the same keys on every server",
    ),
    "no key id": (KEYS | {"OTP_SECRET_KEYS": SECRET}, "OTP_SECRET_KEYS", "ID:BASE64"),
    "a key id twice": (KEYS | {"OTP_SECRET_KEYS": f"k1:{SECRET},k1:{SECRET}"}, "OTP_SECRET_KEYS", "twice"),
    "a short key": (KEYS | {"OTP_SECRET_KEYS": "k1:c2hvcnQ="}, "OTP_SECRET_KEYS", "shorter than 32 bytes"),
    "a key in other letters": (KEYS | {"OTP_SECRET_KEYS": "k1:p4ssw*rd"}, "OTP_SECRET_KEYS", "not base64"),
    "a short index key": (KEYS | {"OTP_INDEX_KEY": "c2hvcnQ="}, "OTP_INDEX_KEY", "shorter than 32 bytes"),
    "no index key": ({"OTP_SECRET_KEYS": KEYS["OTP_SECRET_KEYS"]}, "OTP_SECRET_KEYS", "set both or neither"),
    "the index key alone": ({"OTP_INDEX_KEY": SECRET}, "OTP_SECRET_KEYS", "set both or neither"),
    "a raised length below the usual one": ({"OTP_CODE_LENGTH": "9"}, "OTP_CODE_LENGTH_RAISED", "at least as long"),
    "risk never lowered": ({"OTP_RISK_LOWER": "0.0005"}, "OTP_RISK_LOWER", "OTP_RISK_RAISE"),
    "silence without receipts": (
        BOTH | {"OTP_FALLBACK_AFTER": "30"}, "OTP_FALLBACK_AFTER", "set OTP_PUBLIC_URL",
    ),
    "silence with one channel": (
        SMS | {"OTP_FALLBACK_AFTER": "30", **PUBLIC}, "OTP_FALLBACK_AFTER", "set two in OTP_CHANNELS",
    ),
    "silence for longer than a code lives": (
        BOTH | {"OTP_FALLBACK_AFTER": "60", "OTP_TTL": "60", **PUBLIC}, "OTP_FALLBACK_AFTER", "less than OTP_TTL",
    ),
    "silence of no length": (BOTH | {"OTP_FALLBACK_AFTER": "4", **PUBLIC}, "OTP_FALLBACK_AFTER", "from 5 to 300"),
    "a route by a channel that is not there": (
        SMS | {"OTP_ROUTES": "US:sms,whatsapp"}, "OTP_ROUTES", "add it there",
    ),
    "a route of no country": (SMS | {"OTP_ROUTES": "XX:sms"}, "OTP_ROUTES", "codes of two letters"),
    "a route that is none": (SMS | {"OTP_ROUTES": "US"}, "OTP_ROUTES", "write IN:whatsapp,sms;US:sms"),
    "a store without jobs, where a channel may follow": (
        BOTH | PUBLIC | KEYS | {"OTP_STORE_URL": "tests.shared_store:NetworkStore"}, "OTP_STORE_URL", "keeps no jobs",
    ),
    "a test number for long": (
        {"OTP_TEST_NUMBERS": f"+15005550006=123456@{day(32)}"}, "OTP_TEST_NUMBERS", "within 30 days",
    ),
    "an unknown channel": ({"OTP_CHANNELS": "pigeon"}, "OTP_CHANNELS", "use backend, console, sms, twilio_verify"),
    "no account": (SMS | {"TWILIO_ACCOUNT_SID": ""}, "TWILIO_ACCOUNT_SID", "without it"),
    "no credentials": (SMS | {"TWILIO_AUTH_TOKEN": ""}, "TWILIO_API_KEY_SID", "TWILIO_AUTH_TOKEN"),
    "half an API key": (SMS | {"TWILIO_API_KEY_SID": "SK" + "0" * 32}, "TWILIO_API_KEY_SID", "set both"),
    "no sender": (SMS | {"TWILIO_PHONE_NUMBER": ""}, "TWILIO_PHONE_NUMBER", "TWILIO_MESSAGING_SERVICE_SID"),
    "no WhatsApp sender": (SMS | {"OTP_CHANNELS": "whatsapp"}, "TWILIO_WHATSAPP_NUMBER", "TWILIO_CONTENT_SID"),
    "32 zero bytes": (KEYS | {"OTP_SECRET_KEYS": f"k1:{encoded(bytes(32))}"}, "OTP_SECRET_KEYS", "not random"),
    "one letter": (KEYS | {"OTP_INDEX_KEY": encoded(b"A" * 32)}, "OTP_INDEX_KEY", "not random"),
    "a count": ({"OTP_PROOF_KEYS": f"p1:EdDSA:{encoded(bytes(range(32)))}"}, "OTP_PROOF_KEYS", "not random"),
    "a word again and again": (KEYS | {"OTP_INDEX_KEY": encoded(b"let-me-in-please" * 3)}, "OTP_INDEX_KEY", "random"),
    "the code key as index key": (KEYS | {"OTP_INDEX_KEY": SECRET}, "OTP_SECRET_KEYS, OTP_INDEX_KEY", "two purposes"),
    "the code key as proof key": (
        KEYS | {"OTP_PROOF_KEYS": f"p1:HS256:{SECRET}"}, "OTP_SECRET_KEYS, OTP_PROOF_KEYS", "two purposes",
    ),
    "the code key as proof key, its text encoded": (
        KEYS | {"OTP_PROOF_KEYS": f"p1:HS256:{encoded(SECRET.encode())}"}, "OTP_SECRET_KEYS, OTP_PROOF_KEYS",
        "two purposes",
    ),
    "the index key as proof seed": (
        KEYS | {"OTP_PROOF_KEYS": f"p1:EdDSA:{KEYS['OTP_INDEX_KEY']}"}, "OTP_INDEX_KEY, OTP_PROOF_KEYS", "two purposes",
    ),
    "one secret under two ids": (
        KEYS | {"OTP_SECRET_KEYS": f"k2:{SECRET},k1:{SECRET}"}, "OTP_SECRET_KEYS", "is used for two keys",
    ),
    "one secret of two callers": (SMS | {"OTP_API_KEYS": f"{KEY},b:send:{'0' * 64}"}, "OTP_API_KEYS", "used twice"),
    "the digest of nothing": (SMS | {"OTP_API_KEYS": f"a:send:{digest('')}"}, "OTP_API_KEYS", "empty or a placeholder"),
    "the digest of a document's secret": (
        {"OTP_VERIFY_ACCOUNTS": f"AC{'0' * 32}:{digest('your-secret')}"}, "OTP_VERIFY_ACCOUNTS", "a placeholder",
    ),
    "an account of a document": (
        {"OTP_VERIFY_ACCOUNTS": "AC2938b0a036b288236a2212c30f6a0495:"
                                "7840afe63714600710075eda102790432689e8df1719d750327732dff347500a"},
        "OTP_VERIFY_ACCOUNTS", "a placeholder",
    ),
    "a token of a document": (SMS | {"TWILIO_AUTH_TOKEN": "your_auth_token"}, "TWILIO_AUTH_TOKEN", "a placeholder"),
    "a token that jq has not found": (SMS | {"TWILIO_AUTH_TOKEN": "null"}, "TWILIO_AUTH_TOKEN", "a placeholder"),
    "a webhook key that jq has not found": (
        SMS | {"TWILIO_WEBHOOK_KEYS": f"a:{'c4' * 16},b:null"}, "TWILIO_WEBHOOK_KEYS", "a placeholder",
    ),
    "quotes that a program has kept, for a token": (SMS | PUBLIC | {"TWILIO_AUTH_TOKEN": '""'},
                                                    "TWILIO_AUTH_TOKEN", "others could sign as Twilio"),
    "a token that is a word": (SMS | PUBLIC | {"TWILIO_AUTH_TOKEN": "auth_token"}, "TWILIO_AUTH_TOKEN", "too short"),
    "a token of one digit": (SMS | PUBLIC | {"TWILIO_AUTH_TOKEN": "0" * 32}, "TWILIO_AUTH_TOKEN", "too regular"),
    "a token that is its own name": (
        SMS | {"TWILIO_AUTH_TOKEN": "TWILIO_AUTH_TOKEN"}, "TWILIO_AUTH_TOKEN", "a placeholder",
    ),
    "an id of two webhook keys": (SMS | PUBLIC | {"TWILIO_WEBHOOK_KEYS": f"a:{'c41b9f70' * 4},a:{'1b9f70c4' * 4}"},
                                  "TWILIO_WEBHOOK_KEYS", "twice"),
    "a webhook key that is a word": (SMS | PUBLIC | {"TWILIO_WEBHOOK_KEYS": f"a:{'c41b9f70' * 4},b:false"},
                                     "TWILIO_WEBHOOK_KEYS", "too short"),
    "a token of a template": (SMS | {"TWILIO_AUTH_TOKEN": "{{ token }}"}, "TWILIO_AUTH_TOKEN", "a placeholder"),
    "an id as a token": (SMS | {"TWILIO_AUTH_TOKEN": f"AC{'1a' * 16}"}, "TWILIO_AUTH_TOKEN", "a placeholder"),
    "a token that nothing was put in": (SMS | {"TWILIO_AUTH_TOKEN": "${TOKEN}"}, "TWILIO_AUTH_TOKEN", "a placeholder"),
    "half of Twilio, and no channel": ({"TWILIO_PHONE_NUMBER": "+15005550006", "TWILIO_ACCOUNT_SID": "AC" + "0" * 32},
                                       "TWILIO_API_KEY_SID", "TWILIO_AUTH_TOKEN"),
    "Twilio without a sender, and no channel": (
        {"TWILIO_AUTH_TOKEN": "token", "TWILIO_ACCOUNT_SID": "AC" + "0" * 32}, "TWILIO_PHONE_NUMBER", "sends from it",
    ),
    "a channel with a secret behind it": (
        {"OTP_CHANNELS": "sms TWILIO_AUTH_TOKEN=a:b"}, "OTP_CHANNELS: it holds another", "one setting a line",
    ),
    "four digits": ({"OTP_CODE_LENGTH": "4"}, "OTP_CODE_LENGTH", "write a whole number from 6 to 10"),
    "codes for ever": ({"OTP_TTL": "601"}, "OTP_TTL", "write a number from 60 to 600"),
}  # fmt: skip


@pytest.mark.parametrize(("environ", "variable", "says"), REFUSALS.values(), ids=REFUSALS)
def test_what_is_unsafe_does_not_start(environ, variable, says, tmp_path):
    """One line, no more: it begins with the variable, and says what to change."""
    line, *more = refused(environ, tmp_path)
    if variable == "PHONE_VERIFICATION":
        more = [other for other in more if not other.startswith("TWILIO_ACCOUNT_SID: ")]  # the channel misses it too
    assert not more
    assert line.startswith(variable)
    assert says in line
    assert "\n" not in line


GOOD = {
    "nothing set": {},
    "IPv6 loopback": {"HOST": "::1"},
    "localhost": {"HOST": "localhost"},
    "another loopback address": {"HOST": "127.1.2.3"},
    "keys, for everybody": {"HOST": "0.0.0.0", "OTP_API_KEYS": KEY, "OTP_TRUSTED_PROXIES": "10.0.0.0/8", **SMS},
    "public": {"HOST": "0.0.0.0", "OTP_PUBLIC": "1", "OTP_COUNTRIES": "US", **SMS},
    "users with a directory": {"OTP_APIS": "native,users", "OTP_DIRECTORY_URL": "file:///var/users.csv"},
    "Verify alone, with accounts": {
        "HOST": "0.0.0.0", "OTP_APIS": "verify_v2", "OTP_VERIFY_ACCOUNTS": ACCOUNT, **SMS,
    },
    "Verify beside keys": {
        "OTP_APIS": "native,verify_v2", "OTP_VERIFY_ACCOUNTS": ACCOUNT, "OTP_API_KEYS": KEY, **SMS,
    },
    "a sandbox on this machine": {"PHONE_VERIFICATION": SANDBOX},
    "memory for one worker": {"OTP_STORE_URL": "memory://"},
    "four workers": {"WEB_CONCURRENCY": "4"},
    "keys of one's own": KEYS,
    "two keys": KEYS | {"OTP_SECRET_KEYS": f"k2:{new_secret()},k1:{SECRET}"},
    "a shared store": {"OTP_STORE_URL": "tests.shared_store:NetworkStore", "WEB_CONCURRENCY": "4", **KEYS},
    "a test number for a month": {"OTP_TEST_NUMBERS": f"+15005550006=123456@{day(30)}"},
    "a test number that is over": {"OTP_TEST_NUMBERS": "+15005550006=123456@2020-01-01"},
    "what people write": SMS | WRITTEN_TO | {"OTP_APIS": "native,inbound", "OTP_INBOUND_SMS": "1"},
    "what people write, without a channel through Twilio": WRITTEN_TO | {
        "OTP_APIS": "native,inbound", "OTP_CHANNELS": "console", "TWILIO_WEBHOOK_KEYS": "k1:secret-of-the-tests",
    },
    "two webhook keys as long as Twilio's ids and tokens": SMS | PUBLIC | {
        "TWILIO_WEBHOOK_KEYS": ",".join(f"WK{n * 32}:{'0123456789abcdef' * 2}" for n in "12"),
    },
    "WhatsApp through a service": SMS | {
        "OTP_CHANNELS": "whatsapp,sms", "TWILIO_MESSAGING_SERVICE_SID": "MG" + "0" * 32,
        "TWILIO_CONTENT_SID": "HX" + "0" * 32,
    },
}  # fmt: skip


@pytest.mark.parametrize("environ", GOOD.values(), ids=GOOD)
def test_what_is_safe_starts(environ, tmp_path):
    settings = startup.load(environ, tmp_path)
    assert settings.host == environ.get("HOST", "127.0.0.1")


def test_every_refusal_has_a_case(tmp_path):
    """A new one needs a row above: each is the reason for at least one line."""
    said = set()
    for environ, _, _ in REFUSALS.values():
        settings = read(environ, tmp_path)[0]
        said |= {rule for rule in rules.RULES if rule.fault(settings)}
    assert said == set(rules.RULES)


def test_all_faults_are_reported_at_once(tmp_path):
    """Nobody has to start five times to learn of five faults: of values, of what is unsafe together, of channels."""
    environ = {
        "PORT": "x",
        "HOST": "0.0.0.0",
        "OTP_STORE_URL": "mongo://x",
        "OTP_CODE_LENGTH": "9",
        "OTP_CHANNELS": "whatsapp",
        **KEYS,
    }
    lines = refused(environ, tmp_path)
    assert [line.split(":")[0] for line in lines] == [
        "PORT", "HOST", "OTP_STORE_URL", "OTP_CODE_LENGTH_RAISED", "TWILIO_ACCOUNT_SID",
        "TWILIO_API_KEY_SID, TWILIO_API_KEY_SECRET", "TWILIO_WHATSAPP_NUMBER",
    ]  # fmt: skip


def test_the_exception_reads_as_its_lines(tmp_path):
    with pytest.raises(startup.BadSettings, match=r"PORT: .*; HOST: .*"):
        startup.load({"PORT": "x", "HOST": "0.0.0.0"}, tmp_path)


@pytest.mark.parametrize("environ", [
    {"OTP_API_KEYS": "wrong", "HOST": "0.0.0.0", "OTP_TRUSTED_PROXIES": "127.0.0.1"},
    {"OTP_CHANNELS": ",", "OTP_PUBLIC": "1", "OTP_COUNTRIES": "US"}, SMS | {"TWILIO_ACCOUNT_SID": "wrong"},
    {"OTP_API_KEYS_FILE": "/missing", "HOST": "0.0.0.0"}, {"OTP_SECRET_KEYS_FILE": "/missing", "OTP_INDEX_KEY": SECRET},
    SMS | {"TWILIO_AUTH_TOKEN_FILE": "/missing", "TWILIO_AUTH_TOKEN": ""},
])  # fmt: skip
def test_one_fault_is_reported_once(environ, tmp_path):
    """A variable that cannot be read is no reason to tell what would be missing without it."""
    assert len(refused(environ, tmp_path)) == 1


def test_an_unknown_store_needs_no_word_about_keys(tmp_path):
    """While nobody knows what store it is, nobody knows that it is shared."""
    (line,) = refused({"OTP_STORE_URL": "sqllite:///var/otp.db"}, tmp_path)
    assert line.startswith("OTP_STORE_URL")


@pytest.mark.parametrize("environ", [
    {"OTP_STORE_URL": "redis://:sup3rsecret@127.0.0.1/0"}, {"OTP_STORE_URL": "sqlite:///otp.db?key=sup3rsecret"},
    {"OTP_SECRET_KEYS": "sup3rsecret", "OTP_INDEX_KEY": "sup3rsecret"},
    {"OTP_SECRET_KEYS": "k1:sup3rsecret,k2:sup3rsecret", "OTP_INDEX_KEY": "sup3rsecret"},
    {"OTP_API_KEYS": "sup3rsecret", "HOST": "0.0.0.0"},
    {"TWILIO_ACCOUNT_SID": "sup3rsecret", "TWILIO_API_KEY_SID": "sup3rsecret", "OTP_CHANNELS": "sms"},
    {"TWILIO_AUTH_TOKEN": "sup3rsecret", "TWILIO_API_KEY_SECRET": "sup3rsecret", "OTP_CHANNELS": "whatsapp"},
])  # fmt: skip
def test_no_line_shows_what_may_be_secret(environ, tmp_path):
    assert "sup3rsecret" not in str(refused(environ, tmp_path))


VA = "VA" + "1" * 32
TWILIO = {name: text for name, text in SMS.items() if name not in ("OTP_CHANNELS", "TWILIO_PHONE_NUMBER")}


@pytest.mark.parametrize(("given", "channels"), [
    (TWILIO | {"TWILIO_PHONE_NUMBER": "+15005550006"}, ("sms",)),
    (TWILIO | {"TWILIO_MESSAGING_SERVICE_SID": "MG" + "0" * 32}, ("sms",)),
    (TWILIO | {"TWILIO_WHATSAPP_NUMBER": "+15005550006"}, ("whatsapp",)),
    (SMS | {"TWILIO_WHATSAPP_NUMBER": "+15005550006", "OTP_CHANNELS": ""}, ("whatsapp", "sms")),
    (SMS | {"OTP_CHANNELS": "console"}, ("console",)),
    (SMS | {"TWILIO_VERIFICATION_SERVICE_SID": VA, "OTP_CHANNELS": ""}, ("twilio_verify",)),
    (TWILIO | {"TWILIO_VERIFY_SERVICE_SID": VA, "TWILIO_WHATSAPP_NUMBER": "+15005550006"}, ("twilio_verify",)),
    (SMS | {"TWILIO_VERIFICATION_SERVICE_SID": VA, "OTP_CHANNELS": "sms"}, ("sms",)),
    ({"TWILIO_REGION": "ie1", "TWILIO_TIMEOUT": "5", "TWILIO_PHONE_NUMBER": ""}, ("console",)),
])  # fmt: skip
def test_variables_of_twilio_choose_the_channels(given, channels, tmp_path):
    """The screen is for who has set none: a server with an account must not say that it sent what nobody got."""
    assert startup.load(given, tmp_path).otp_channels == channels


@pytest.mark.parametrize("name", ["TWILIO_VERIFICATION_SERVICE_SID", "TWILIO_VERIFY_SERVICE_SID"])
def test_the_verify_service_has_two_names(name, tmp_path):
    """As the programs of others have it, whatever chooses the channels."""
    given = TWILIO | {name: VA, "OTP_CHANNELS": "twilio_verify"}
    assert startup.load(given, tmp_path).of(TwilioSettings).verify_service == VA


MARK = "Zq9xMARKx7"
MARKED = [
    MARK, f"{MARK}://x", f"sqlite:///{MARK}?a={MARK}", f"redis://{MARK}@h/x", f"https://{MARK}.example/{MARK}",
    f"k1:{MARK}", f"a,{MARK}", f"file:{MARK}", f"{MARK}={MARK}", f"{{{MARK}}}", f'{{"{MARK}": "x"}}',
    f"sms TWILIO_AUTH_TOKEN={MARK}",
]  # fmt: skip


@pytest.mark.parametrize("text", MARKED)
@pytest.mark.parametrize("variable", VARIABLES)
def test_no_line_repeats_what_a_setting_was_given(variable, text, tmp_path):
    """No fault and no advice: a secret may stand anywhere. Names in `module:Class` are no secrets."""
    try:
        lines = startup.advice(startup.load({variable: text}, tmp_path))
    except startup.BadSettings as error:
        lines = error.faults
    assert MARK not in str(lines)


# ---- before workers fork

OWN_KEYS = {name.lower(): text for name, text in KEYS.items()}


def settings_for(folder, **given):
    return make_settings(otp_store_url=f"sqlite:///{folder}/otp.db", **given)


def test_prepare_makes_keys_and_tries_the_store(tmp_path):
    startup.prepare(settings_for(tmp_path / "var"))
    made = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "var").iterdir()}
    assert made["otp.keys"] == 0o600
    assert made["otp.db"] == 0o600
    assert (tmp_path / "var").stat().st_mode & 0o777 == 0o700


def test_prepare_refuses_a_bad_key_file(tmp_path):
    (tmp_path / "otp.keys").write_text("nothing", encoding="ascii")
    (tmp_path / "otp.keys").chmod(0o600)
    with pytest.raises(startup.BadSettings, match=r"OTP_SECRET_KEYS: .* is damaged"):
        startup.prepare(settings_for(tmp_path))


def test_prepare_refuses_a_store_that_does_not_work(tmp_path):
    """A file that is no database, with the keys in order."""
    (tmp_path / "otp.db").write_bytes(b"no database" * 100)
    with pytest.raises(StoreUnavailable):
        startup.prepare(settings_for(tmp_path, **OWN_KEYS))


def test_prepare_refuses_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("", encoding="ascii")
    with pytest.raises(startup.BadSettings, match=r"OTP_SECRET_KEYS: the key file .* cannot be made"):
        startup.prepare(settings_for(tmp_path / "file"))


@pytest.mark.parametrize(
    ("code", "index", "proof"), [(b"A" * 32, None, ""), (None, None, "the code key"), ("same", "same", "")]
)
def test_prepare_refuses_keys_of_a_file_that_are_no_secrets(code, index, proof, tmp_path):
    """A file that somebody wrote by hand, or one of whose keys went to another use."""
    one, other = new_secret(), new_secret()
    code_key = encoded(code) if isinstance(code, bytes) else one
    (tmp_path / "otp.keys").write_text(f"OTP_SECRET_KEYS=k1:{code_key}\nOTP_INDEX_KEY={one if index else other}\n")
    (tmp_path / "otp.keys").chmod(0o600)
    with pytest.raises(startup.BadSettings, match=r"not random|two purposes"):
        startup.prepare(settings_for(tmp_path, otp_proof_keys=f"p1:HS256:{one}" if proof else ""))


def send(settings):
    services = build(settings)
    services.verifications.send("+919812345678", SendRequest())
    services.close()


@pytest.mark.parametrize("how", ["settings over the key file", "another key file"])
def test_prepare_refuses_a_store_that_was_used_with_other_keys(how, tmp_path):
    """Nothing would find its records: every number would have its messages and wrong attempts anew."""
    startup.prepare(settings_for(tmp_path))
    send(settings_for(tmp_path))
    assert startup.prepare(settings_for(tmp_path)) == []
    if how == "another key file":
        (tmp_path / "otp.keys").write_text(new_lines())
    with pytest.raises(startup.BadSettings, match="OTP_INDEX_KEY: the store has records of another key"):
        startup.prepare(settings_for(tmp_path, **(OWN_KEYS if how == "settings over the key file" else {})))


def test_prepare_tells_of_servers_with_different_keys_on_one_store(tmp_path):
    """To refuse would stop the server whose keys are the right ones as well."""
    startup.prepare(settings_for(tmp_path))
    send(settings_for(tmp_path))
    send(settings_for(tmp_path, **OWN_KEYS))
    for given in ({}, OWN_KEYS):
        *hidden, line = startup.prepare(settings_for(tmp_path, **given))
        assert line.startswith("OTP_INDEX_KEY: some records in the store are of another key")
        assert bool(hidden) is bool(given)  # beside its key file, settings have other keys


class ServerChecks(MemoryStore):
    """A store whose server could be set up better; `?refuse` is one that nobody should use."""

    def __init__(self, url, clock):
        super().__init__(clock=clock)
        self.bad = url.endswith("?refuse")

    def faults(self):
        return ["it drops what it pleases", "it forgets"] if self.bad else []

    def advice(self):
        return ["it could be faster"]


def test_prepare_tells_what_the_server_of_a_store_could_do_better():
    assert startup.prepare(make_settings(otp_store_url="memory://")) == []
    lines = startup.prepare(make_settings(otp_store_url="tests.startup.test_startup:ServerChecks", **OWN_KEYS))
    assert lines == ["OTP_STORE_URL: it could be faster"]


def test_prepare_refuses_a_server_that_nobody_should_use():
    with pytest.raises(startup.BadSettings) as refused:
        startup.prepare(make_settings(otp_store_url="tests.startup.test_startup:ServerChecks?refuse", **OWN_KEYS))
    assert refused.value.faults == ["OTP_STORE_URL: it drops what it pleases", "OTP_STORE_URL: it forgets"]


AWAY = "redis://127.0.0.1:1/0"


def test_a_store_that_is_away_may_be_replaced_by_memory(caplog):
    """Where the operator asked for it, and with a warning."""
    settings = make_settings(otp_store_url=AWAY, otp_store_fallback="memory", **OWN_KEYS)
    chosen, (line,) = settle(settings)
    assert line.startswith("OTP_STORE_URL: The store is not available")
    assert startup.prepare(chosen) == []
    assert (chosen.otp_store_url, chosen.otp_index_key) == ("memory://", OWN_KEYS["otp_index_key"])
    services = build(settings)
    assert isinstance(services.store, MemoryStore)
    assert "in memory until the next start" in caplog.text
    services.close()


def test_a_store_that_is_there_is_used_whatever_the_fallback(tmp_path):
    settings = settings_for(tmp_path, otp_store_fallback="memory")
    assert settle(settings) == (settings_for(tmp_path), [])
    services = build(settings)
    assert isinstance(services.store, SqliteStore)
    services.close()


def test_a_store_that_was_moved_is_not_replaced_by_memory(tmp_path):
    """Its records are elsewhere: the operator has to say where."""
    settings = settings_for(tmp_path, otp_store_fallback="memory", **OWN_KEYS)
    with closing(SqliteStore(settings.otp_store_url)) as store:
        store.freeze(Freeze.MOVED)
    chosen, _ = settle(settings)
    with pytest.raises(StoreUnavailable, match="moved"):
        startup.prepare(chosen)


def test_what_could_be_better_is_advice(tmp_path):
    lines = startup.advice(startup.load(SMS | {"OTP_API_KEYS": KEY}, tmp_path))
    assert [line.partition(":")[0] for line in lines] == ["TWILIO_AUTH_TOKEN", "OTP_PUBLIC_URL"]


def test_a_public_url_without_receipts_is_advised_of(tmp_path):
    """An operator who set it waits for what never comes."""
    lines = startup.advice(startup.load({"OTP_PUBLIC_URL": "https://otp.example.com"}, tmp_path))
    assert [line.partition(":")[0] for line in lines if line != startup.NO_PROXY] == ["OTP_PUBLIC_URL"]


def test_a_server_without_callers_warns_of_proxies_that_do_not_show(tmp_path):
    """Not every proxy can be distinguished from a local program: nginx 1.29.7 and later with its defaults cannot."""
    assert startup.advice(startup.load({}, tmp_path)) == [startup.NO_PROXY]
    given = {"OTP_APIS": "verify_v2", "OTP_VERIFY_ACCOUNTS": f"AC{'1' * 32}:{'0' * 64}"}
    assert startup.NO_PROXY not in startup.advice(startup.load(SMS | given, tmp_path))


@pytest.mark.parametrize(("given", "chance"), [
    ({"OTP_CODE_LENGTH_RAISED": "6"}, "0.028"),
    ({"OTP_RISK_RAISE": "1e-3"}, "0.013"),
    ({"OTP_MAX_ATTEMPTS": "10"}, "0.0013"),
    ({"OTP_SENDS_PER_DAY": "50"}, "0.0017"),
    ({"OTP_SENDS_PER_DAY": "0"}, "0.0028"),  # those of an hour bound it still
    ({"OTP_SENDS_PER_DAY": "0", "OTP_SENDS_PER_HOUR": "0"}, "1:"),
    ({}, ""),
    ({"OTP_CODE_LENGTH": "8"}, ""),
    ({"OTP_MAX_ATTEMPTS": "10", "OTP_SENDS_PER_DAY": "5", "OTP_KEYED_RESERVE": "0"}, ""),
])  # fmt: skip
def test_figures_that_bound_guessing_no_more_are_reported(given, chance, tmp_path):
    """The server starts: its operator may want that, and reads what it comes to."""
    lines = [line for line in startup.advice(startup.load(given, tmp_path)) if "LENGTH_RAISED: with" in line]
    assert [f"probability of up to {chance}" in line for line in lines] == [True] * bool(chance)


@pytest.mark.parametrize(("host", "loopback"), [
    ("127.0.0.1", True), ("127.255.0.1", True), ("::1", True), ("[::1]", True), ("localhost", True), ("0.0.0.0", False),
    ("::", False), ("10.0.0.1", False), ("127.0.0.1.example", False), ("localhost.example", False), ("", False),
])  # fmt: skip
def test_what_only_this_machine_can_reach(host, loopback):
    """Names are not looked up: only localhost is known."""
    assert rules.is_loopback(host) is loopback


@pytest.mark.parametrize(("setting", "value", "api"), [
    ("otp_directory_url", "file:///users.csv", "users"), ("otp_users_expose_phone", "1", "users"),
    ("otp_verify_accounts", ACCOUNT, "verify_v2"), ("otp_verify_services", f"VA{'1' * 32}:login", "verify_v2"),
])  # fmt: skip
def test_a_setting_of_an_api_that_is_off_is_reported(setting, value, api):
    """It does nothing, and its operator may not know."""
    line = f"{setting.upper()}: it does nothing while OTP_APIS has no {api}"
    assert line in startup.advice(make_settings(**{setting: value}))
    assert line not in startup.advice(make_settings(**{setting: value, "otp_apis": f"native,{api}"}))


def test_sms_that_nobody_takes_is_reported():
    """Nor is anybody told that WhatsApp messages cannot come in where they can."""
    given = {"otp_public_url": "https://otp.example.com", "otp_channels": ("console",)}
    line = "OTP_INBOUND_SMS: it does nothing while OTP_APIS has no inbound"
    assert line in startup.advice(make_settings(**given, otp_inbound_sms="1"))
    lines = startup.advice(make_settings(**given, otp_inbound_sms="1", otp_apis="native,inbound"))
    assert [line for line in lines if "OTP_INBOUND_SMS" in line or "OTP_PUBLIC_URL" in line] == []


def test_a_setting_of_an_api_that_is_off_asks_for_no_other_setting(tmp_path):
    """The server starts without the API, so it needs nothing of what the API would need."""
    assert startup.load({"OTP_USERS_EXPOSE_PHONE": "1"}, tmp_path).otp_apis == ("native",)


@pytest.mark.parametrize("more", [{}, {"OTP_EVENTS_URL": ""}])
def test_secrets_of_events_that_nobody_is_told_are_advice(more, tmp_path):
    """OTP_EVENTS_URL may be lost, as in a variable that was empty where it was filled in."""
    secret = "whsec_" + base64.b64encode(hashlib.sha256(b"events").digest()).decode()
    (_, line) = startup.advice(startup.load({"OTP_EVENTS_SECRETS": secret} | more, tmp_path))
    assert line.startswith("OTP_EVENTS_SECRETS: they do nothing without OTP_EVENTS_URL")
