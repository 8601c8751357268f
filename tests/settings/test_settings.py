"""Where settings come from, and what one alone may be."""

import re

import pytest

from otp_app.settings import types
from otp_app.startup.reader import READER, read
from tests.configuration import VARIABLES, make_settings, value
from tests.running import ROOT

AC = "AC" + "0" * 32
GUARDS = {name for name, field in READER.fields.items() if field.setting.guard}
EMPTY_MEANS_NONE = {name for name, field in READER.fields.items() if field.setting.empty_is_none}


@pytest.fixture
def fault(tmp_path):
    """The fault of one variable alone, None if it is good."""

    def of(variable, text):
        _, faults = read({variable: text}, tmp_path)
        assert faults.keys() <= {variable}
        return faults.get(variable)

    return of


def example():
    """The variables of .env.example with their texts, in its order."""
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    return dict(re.fullmatch(r"#([A-Z_]+)=(.*)", line).groups() for line in lines if re.match(r"#[A-Z_]+=", line))


# ---- .env.example


def test_the_example_has_nothing_but_comments():
    """A copy of it changes nothing, and its prose is no assignment by accident."""
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []


@pytest.mark.parametrize(("variable", "text"), example().items())
def test_the_example_has_the_default(variable, text, tmp_path):
    """Taking the comment sign away changes nothing; only a guard asks for a value."""
    if variable.lower() in GUARDS and not text:
        return
    (tmp_path / ".env").write_text(f"{variable}={text}\n", encoding="utf-8")
    settings, faults = read({}, tmp_path)
    assert faults == {}
    assert settings == make_settings()


SECRETS = {
    "OTP_EVENTS_URL", "OTP_EVENTS_SECRETS", "OTP_HISTORY_URL",
    *("OTP_SECRET_KEYS", "OTP_INDEX_KEY", "OTP_PROOF_KEYS", "OTP_API_KEYS", "OTP_VERIFY_ACCOUNTS", "OTP_STORE_URL"),
    *("DATABASE_URL", "OTP_AMQP_URL", "OTP_DIRECTORY_URL", "OTP_GRPC_TLS_KEY", "TWILIO_AUTH_TOKEN"),
    "TWILIO_API_KEY_SECRET", "TWILIO_WEBHOOK_KEYS",
}


def test_secrets_are_not_in_a_repr():
    """A settings object may end up in a log line or a traceback; the URL of a store may have a password in it."""
    assert {field.variable for field in READER.fields.values() if field.setting.secret} == SECRETS
    secrets = ("otp_secret_keys", "otp_index_key", "otp_store_url", "twilio_auth_token", "twilio_api_key_secret")
    keys = types.api_keys("shop:send:" + "5" * 64)
    settings = make_settings(**dict.fromkeys(secrets, "s3cret"), otp_api_keys=keys)
    shown = repr([settings, settings.providers])
    assert "s3cret" not in shown
    assert "5" * 64 not in shown


# ---- where they come from


def test_nothing_set_is_all_defaults(tmp_path):
    assert read({}, tmp_path) == (make_settings(), {})


def test_a_dot_env_file_is_read(tmp_path):
    (tmp_path / ".env").write_text("# one\nPORT=6000\nexport OTP_APP_NAME='The Shop'\n", encoding="utf-8")
    settings, _ = read({}, tmp_path)
    assert (settings.port, settings.otp_app_name) == (6000, "The Shop")


def test_the_environment_wins_over_the_file(tmp_path):
    """What the operator sets for one start counts."""
    (tmp_path / ".env").write_text("PORT=6000\n", encoding="utf-8")
    assert read({"PORT": "7000"}, tmp_path)[0].port == 7000


@pytest.mark.parametrize("value", [
    "The Shop\nOTP_CHECK_BY=id", "The ShopOTP_CHECK_BY=id", "The Shop OTP_COUNTRIES = US", "Shop\nexport HOST=::1",
    "The Shop\n# countries\nPORT=1",
])  # fmt: skip
def test_a_setting_within_a_value_of_the_environment_is_a_fault(value, tmp_path):
    """systemd joins the lines of its EnvironmentFile behind an open quote or a backslash: a guard would be text."""
    faults = read({"OTP_APP_NAME": value}, tmp_path)[1]
    assert list(faults) == ["OTP_APP_NAME"]
    assert "close the quote" in faults["OTP_APP_NAME"]


def test_a_text_of_several_lines_is_a_good_value_of_the_environment(tmp_path):
    message = "Your code = {code}\n\nNever share it: OTP means one-time password.\nhttps://example.com/?a=b"
    assert read({"OTP_MESSAGE": message}, tmp_path)[1] == {}


def test_the_environment_wins_over_a_file_named_in_dot_env(tmp_path):
    """The same where .env says it with NAME_FILE."""
    (tmp_path / "port").write_text("6000", encoding="utf-8")
    (tmp_path / ".env").write_text(f"PORT_FILE={tmp_path}/port\n", encoding="utf-8")
    assert read({"PORT": "7000"}, tmp_path)[0].port == 7000


def test_name_file_reads_a_secret_from_a_file(tmp_path):
    """The way of containers and systemd; the newline at its end does not count."""
    (tmp_path / "token").write_text("s3cret\n", encoding="utf-8")
    settings, faults = read({"TWILIO_AUTH_TOKEN_FILE": str(tmp_path / "token")}, tmp_path)
    assert (value(settings, "twilio_auth_token"), faults) == ("s3cret", {})


@pytest.mark.parametrize("name", ["missing", "folder"])
def test_a_file_that_cannot_be_read_is_a_fault(tmp_path, name):
    """And never a setting left empty: the fault names the variable, not the path."""
    (tmp_path / "folder").mkdir()
    settings, faults = read({"TWILIO_AUTH_TOKEN_FILE": str(tmp_path / name)}, tmp_path)
    assert faults == {"TWILIO_AUTH_TOKEN_FILE": "the file cannot be read"}
    assert value(settings, "twilio_auth_token") == ""


@pytest.mark.parametrize("name", sorted(READER.fields))
def test_a_variable_that_is_no_text_is_a_fault(tmp_path, name):
    """A byte of another encoding, which Python reads as half of a character: no message could be sent with it."""
    assert name.upper() in read({name.upper(): "Caf\udce9 {code}"}, tmp_path)[1]


@pytest.mark.parametrize("name", sorted(READER.fields.keys() - GUARDS))
@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_variable_is_as_if_unset(tmp_path, name, text):
    """Compose files set empty variables; only four mean something by it."""
    settings, faults = read({name.upper(): text}, tmp_path)
    assert faults == {}
    changed = {name} & EMPTY_MEANS_NONE
    assert {n for n in READER.fields if value(settings, n) != value(make_settings(), n)} == changed


@pytest.mark.parametrize("name", sorted(GUARDS | {"otp_verify_services"}))
@pytest.mark.parametrize("how", ["variable", "line of .env", "file", "empty name of a file", "over a line of .env"])
def test_a_guard_that_is_given_and_empty_is_a_fault(tmp_path, name, how):
    """Emptied by a slip it would open the server; whoever wants it open takes the name away."""
    variable, given, empty = name.upper(), {}, tmp_path / "empty"
    empty.write_text(" \n")
    if how == "line of .env":
        (tmp_path / ".env").write_text(f"{variable}=''\n")
    elif how == "over a line of .env":
        (tmp_path / ".env").write_text(f"{variable}=x\n")
        given = {variable: ""}
    else:
        file = {f"{variable}_FILE": str(empty) if how == "file" else ""}
        given = {variable: ""} if how == "variable" else file
    settings, faults = read(given, tmp_path)
    assert {fault.removesuffix("_FILE") for fault in faults} == {variable}
    assert settings == make_settings()


@pytest.mark.parametrize("name", ["otp_api_keys", "otp_countries", "otp_trusted_proxies", "otp_resend_gaps"])
def test_commas_alone_are_no_list(fault, name):
    """They would be an empty one: no keys, every country, no gaps."""
    assert fault(name.upper(), " , ,")


@pytest.mark.parametrize("name", ["twilio_auth_token", *sorted(EMPTY_MEANS_NONE)])
def test_an_empty_file_is_no_value(tmp_path, name):
    """A secret that was not filled in does not become the default, and a file that was lost takes no limits away."""
    (tmp_path / "empty").touch()
    settings, faults = read({f"{name.upper()}_FILE": str(tmp_path / "empty")}, tmp_path)
    assert faults == {f"{name.upper()}_FILE": "the file is empty"}
    assert settings == make_settings()


def test_a_value_given_in_two_ways_is_a_fault(tmp_path):
    """In one place: nobody knows which was meant. An empty one is none."""
    (tmp_path / "token").write_text("s3cret")
    both = {"TWILIO_AUTH_TOKEN": "other", "TWILIO_AUTH_TOKEN_FILE": str(tmp_path / "token")}
    assert read(both, tmp_path)[1].keys() == {"TWILIO_AUTH_TOKEN"}
    assert value(read(both | {"TWILIO_AUTH_TOKEN": ""}, tmp_path)[0], "twilio_auth_token") == "s3cret"


def test_an_empty_name_of_a_file_is_as_if_unset(tmp_path):
    (tmp_path / ".env").write_text("PORT=6000\n", encoding="utf-8")
    assert read({"PORT_FILE": ""}, tmp_path)[0].port == 6000


def test_an_empty_list_of_limits_is_none(tmp_path):
    """No gaps, no cool-downs, no limits of clients."""
    settings, _ = read({name.upper(): "" for name in EMPTY_MEANS_NONE}, tmp_path)
    assert (settings.otp_resend_gaps, settings.otp_cool_downs) == ((), ())
    assert (settings.otp_client_limits, settings.otp_check_limits) == ("", "")


@pytest.mark.parametrize(("given", "url"), [
    ({"REDIS_HOST": "cache"}, "redis://cache:6379/0"),
    ({"REDIS_HOST": "10.0.0.5", "REDIS_PORT": "6380", "REDIS_DB": "2"}, "redis://10.0.0.5:6380/2"),
    ({"REDIS_HOST": "fd00::5"}, "redis://[fd00::5]:6379/0"),
    ({"REDIS_HOST": "cache", "OTP_STORE_URL": "sqlite:///otp.db"}, "sqlite:///otp.db"),
    ({"REDIS_HOST": ""}, make_settings().otp_store_url),
    ({"REDIS_PORT": "tcp://10.0.0.5:6379", "REDIS_DB": "2"}, make_settings().otp_store_url),
])  # fmt: skip
def test_three_variables_may_name_a_redis(given, url, tmp_path):
    """As older set-ups do; OTP_STORE_URL wins, and a port alone may be somebody else's variable."""
    settings, faults = read(given, tmp_path)
    assert (settings.otp_store_url, faults) == (url, {})


def test_a_file_may_name_a_redis(tmp_path):
    """As every other setting may stand in one; its faults are those of other files."""
    (tmp_path / "host").write_text("cache\n")
    given = {"REDIS_HOST_FILE": str(tmp_path / "host")}
    assert read(given, tmp_path)[0].otp_store_url == "redis://cache:6379/0"
    (tmp_path / "host").write_text("\n")
    assert read(given, tmp_path)[1] == {"REDIS_HOST_FILE": "the file is empty"}


@pytest.mark.parametrize("variable", ["REDIS_PORT", "REDIS_DB"])
def test_a_redis_is_named_with_numbers(variable, tmp_path):
    """The line names the variable that was set, not the one that it stands for."""
    settings, faults = read({"REDIS_HOST": "cache", variable: "x"}, tmp_path)
    assert (settings.otp_store_url, faults) == (make_settings().otp_store_url, {variable: "write a number"})


def test_the_three_variables_may_stand_in_the_file(tmp_path):
    (tmp_path / ".env").write_text("REDIS_HOST=cache\nREDIS_DB=1\n", encoding="utf-8")
    assert read({"REDIS_DB": "2"}, tmp_path)[0].otp_store_url == "redis://cache:6379/2"


def test_variables_of_others_do_nothing(tmp_path):
    assert read({"PATH": "/bin", "port": "1"}, tmp_path) == (make_settings(), {})


# ---- what they may be


GOOD = [
    ("HOST", "0.0.0.0", "0.0.0.0"), ("HOST", "localhost", "localhost"), ("HOST", "[::1]", "::1"),
    ("PORT", " 8080 ", 8080), ("OTP_CHANNELS", "whatsapp, sms", ("whatsapp", "sms")),
    ("OTP_MESSAGE", "{app}: {code} ({minutes} min)", "{app}: {code} ({minutes} min)"),
    ("OTP_ORIGIN", "shop.example", "shop.example"), ("OTP_TTL", "600", 600), ("OTP_CODE_LENGTH", "10", 10),
    ("OTP_RESEND_GAPS", "0.5,10", (0.5, 10)), ("OTP_SENDS_PER_HOUR", "0", 0), ("OTP_PUBLIC", "1", True),
    ("OTP_PUBLIC", "false", False), ("OTP_CHECK_BY", "id", "id"), ("OTP_COUNTRIES", "us, IN", {"US", "IN"}),
    ("OTP_COUNTRIES", "all", frozenset()), ("OTP_CLIENT_LIMITS", "1/minute", "1/minute"),
    ("OTP_TRUSTED_HOSTS", "a.example,.b.example", ("a.example", ".b.example")), ("OTP_LOG_LEVEL", "DEBUG", "DEBUG"),
    ("TWILIO_ACCOUNT_SID", AC, AC), ("TWILIO_API_BASE_URL", "http://127.0.0.1:4010", "http://127.0.0.1:4010"),
    ("TWILIO_TIMEOUT", "0.5", 0.5),
]  # fmt: skip


@pytest.mark.parametrize(("variable", "text", "expected"), GOOD)
def test_a_good_text_becomes_a_value(variable, text, expected, tmp_path):
    settings, faults = read({variable: text}, tmp_path)
    assert faults == {}
    assert value(settings, variable.lower()) == expected


BAD = [
    ("HOST", "exa mple"), ("HOST", "127.0.0.1:5000"), ("HOST", "http://localhost"), ("HOST", "[localhost]"),
    ("HOST", ".example.com"), ("PORT", "0"), ("PORT", "65536"), ("PORT", "5000x"), ("PORT", "\uff15\uff10\uff10\uff10"),
    ("OTP_TTL", "\uff13\uff10\uff10"), ("WEB_CONCURRENCY", "0"), ("WEB_CONCURRENCY", "-1"), ("OTP_THREADS", "0"),
    ("OTP_CHANNELS", ","), ("OTP_CHANNELS", "sms,sms"), ("OTP_APP_NAME", "x" * 41), ("OTP_MESSAGE", "Your code"),
    ("OTP_MESSAGE", "{code} {secret}"), ("OTP_MESSAGE", "{code} {"), ("OTP_MESSAGE", "{code}" + "x" * 300),
    ("OTP_MESSAGES", "{"), ("OTP_MESSAGES", "[]"), ("OTP_MESSAGES", '{"es": "Hola"}'),
    ("OTP_MESSAGES", '{"es": "Tu código es: {code}", "es": "{code}"}'), ("OTP_MESSAGES", "[" * 1500),
    ("OTP_ORIGIN", "https://shop.example"), ("OTP_ORIGIN", "shop.example\n@evil.example"), ("OTP_CODE_LENGTH", "5"),
    ("OTP_CODE_LENGTH", "11"), ("OTP_CODE_LENGTH_RAISED", "5"), ("OTP_TTL", "601"), ("OTP_TTL", "59"),
    ("OTP_TTL", "nan"), ("OTP_MAX_ATTEMPTS", "0"), ("OTP_MAX_ATTEMPTS", "11"), ("OTP_RESEND_GAPS", "0"),
    ("OTP_RESEND_GAPS", "30,-1"), ("OTP_RESEND_GAPS", "nan"), ("OTP_RESEND_GAPS", "inf"), ("OTP_RESEND_GAPS", "30 60"),
    ("OTP_COOL_DOWNS", "inf"), ("OTP_COOL_DOWNS", "x"), ("OTP_SENDS_PER_HOUR", "-1"), ("OTP_SENDS_PER_DAY", "101"),
    ("OTP_RISK_RAISE", "0"), ("OTP_RISK_RAISE", "0.01"), ("OTP_CHECK_BY", "phone"), ("OTP_PUBLIC", "maybe"),
    ("OTP_TEST_NUMBERS", "+15005550009=123456"), ("OTP_API_KEYS", "shop:send:secret"), ("OTP_COUNTRIES", "USA"),
    ("OTP_CLIENT_LIMITS", "many"), ("OTP_CHECK_LIMITS", "60 per 10 blinks"), ("OTP_TRUSTED_PROXIES", "proxy.example"),
    ("OTP_TRUSTED_PROXIES", "10.0.0.0/33"), ("OTP_LOG_LEVEL", "info"), ("TWILIO_ACCOUNT_SID", "AC123"),
    ("TWILIO_ACCOUNT_SID", AC + "\n"), ("TWILIO_API_KEY_SID", AC), ("TWILIO_MESSAGING_SERVICE_SID", AC),
    ("TWILIO_CONTENT_SID", AC), ("TWILIO_API_BASE_URL", "api.twilio.com"), ("TWILIO_API_BASE_URL", "http://x/v1"),
    ("TWILIO_API_BASE_URL", "https://x:99999"), ("OTP_PUBLIC_URL", "https://x:99999"),
    ("TWILIO_API_BASE_URL", "http://[::1"), ("TWILIO_TIMEOUT", "0"), ("TWILIO_TIMEOUT", "13"),
]  # fmt: skip


@pytest.mark.parametrize(("variable", "text"), [(v, t) for v, t in BAD if t.strip() == t])
def test_a_bad_text_is_a_fault_of_its_variable(fault, variable, text):
    """Reported in words, in one line; the server does not start with it, nor with an attempt."""
    line = fault(variable, text)
    assert line
    assert "\n" not in line


@pytest.mark.parametrize(("variable", "text"), [(v, t) for v, t in BAD if len(t) > 3])
def test_no_fault_repeats_a_value(fault, variable, text):
    """A secret may stand in the wrong variable, and faults go to logs."""
    assert text.strip() not in (fault(variable, text) or "")


@pytest.mark.parametrize("variable", VARIABLES)
def test_no_variable_repeats_a_secret(fault, variable):
    """Whatever was put where by mistake: no fault has the first letters of it either."""
    assert "sup3r" not in (fault(variable, "sup3rsecret,sup3rsecret") or "").lower()


def test_several_faults_are_all_reported(tmp_path):
    settings, faults = read({"PORT": "x", "OTP_TTL": "x", "HOST": "127.0.0.2"}, tmp_path)
    assert faults.keys() == {"PORT", "OTP_TTL"}
    assert (settings.host, settings.port) == ("127.0.0.2", 5000)


@pytest.mark.parametrize(("environ", "line", "named"), [
    ({"OTP_COUNTRIES": "US,IN"}, "OTP_COUNTRIES=US", ["OTP_COUNTRIES"]),
    ({"OTP_MAX_ATTEMPTS": ""}, "OTP_MAX_ATTEMPTS=3", ["OTP_MAX_ATTEMPTS"]),
    ({"OTP_API_KEYS_FILE": "/keys"}, f"OTP_API_KEYS=a:send:{'1' * 64}", ["OTP_API_KEYS"]),
    ({"OTP_API_KEYS_FILE": "/keys"}, "OTP_API_KEYS_FILE=/others", ["OTP_API_KEYS"]),
    ({"OTP_COUNTRIES": "US"}, "OTP_COUNTRIES = US", []),
    ({"OTP_MAX_ATTEMPTS_FILE": ""}, "OTP_MAX_ATTEMPTS=3", []),
    ({"OTP_TTL": "60"}, "OTP_COUNTRIES=US", []),
])  # fmt: skip
def test_a_line_that_the_environment_overrides_is_named(environ, line, named, tmp_path):
    """Whoever restricts or revokes something in `.env` would go on as before, without a word."""
    (tmp_path / ".env").write_text(f"{line}\n")
    assert [text.partition(":")[0] for text in READER.overridden(environ, tmp_path)] == named


SLIPS = [
    ("OTP_COUNTRYS", "OTP_COUNTRIES"), ("OTP_TTLS_FILE", ""), ("otp_countries", "OTP_COUNTRIES"), ("Otp_Api_Keys", ""),
    ("otp_api_keys_file", "OTP_API_KEYS_FILE"), ("TWILIO_WHATSAPP_NUMBRE", "TWILIO_WHATSAPP_NUMBER"),
    ("twilio_auth_token", "TWILIO_AUTH_TOKEN"), ("TWILIO_API_KEY", ""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "meant"), [
    *SLIPS, ("port", "PORT"), ("OPT_COUNTRIES", "OTP_COUNTRIES"), ("REDIS_HSOT", "REDIS_HOST"),
    ("PHONE_VERIFICATON", "PHONE_VERIFICATION"), ("WEB_CONCURENCY", "WEB_CONCURRENCY"),
])  # fmt: skip
def test_a_slip_in_a_name_is_a_fault_of_the_file(name, meant, tmp_path):
    """OTP_COUNTRYS in `.env` would leave a guard off without a word."""
    (tmp_path / ".env").write_text(f"\n{name}=x\n")
    _, faults = read({}, tmp_path)
    assert faults[".env"].startswith(f"line 2 sets {name}: there is no such setting")
    assert meant in faults[".env"]


@pytest.mark.parametrize(("name", "meant"), SLIPS)
def test_a_slip_in_a_name_of_the_environment_is_advice(name, meant, tmp_path):
    """There it may be a variable of another program."""
    assert read({name: "x"}, tmp_path)[1] == {}
    (line,) = READER.unknown_names({name: "x"})
    assert line.startswith(f"{name}: there is no such setting")
    assert meant in line


@pytest.mark.parametrize("name", [
    "ELSE", "REDIS_HOST", "OTP_SECRET_KEYS_FILE", "TWILIO_REGION", "TWILIO_EDGE", "POSTGRES_USER", "http_proxy",
])  # fmt: skip
def test_names_of_others_are_no_slips(name, tmp_path):
    """Nor are those that Twilio's own programs read."""
    (tmp_path / ".env").write_text(f"{name}=\n")
    assert read({}, tmp_path)[1] == {}
    assert READER.unknown_names({name: "x"}) == []


@pytest.mark.parametrize("line", [
    "TRUSTED_HOSTS=a.example.com", "api_keys=x", "VERIFY_ACCOUNTS_FILE=x", "exportOTP_MAX_ATTEMPTS=3",
    "export_OTP_API_KEYS_FILE=keys", "OTP=_COUNTRIES=US", "OT=P_COUNTRIES=US", "OTP=COUNTRIES=US",
])  # fmt: skip
def test_a_name_of_which_a_piece_is_missing_or_glued_on_is_a_fault_in_the_file(line, tmp_path):
    """It is meant for a setting, which would be dropped."""
    (tmp_path / ".env").write_text(f"\n{line}\n", encoding="utf-8")
    (fault,) = read({}, tmp_path)[1].values()
    assert re.fullmatch(r"line 2 sets \w+: there is no such setting: (did you mean|write) (export )?\w+[?=].*", fault)


@pytest.mark.parametrize(("line", "environ"), [
    ("TRUSTED_HOSTS=a.example.com\nOTP_TRUSTED_HOSTS=a.example.com", {}),
    ("API_KEYS=x", {"OTP_API_KEYS": f"shop:send:{'5' * 64}"}), ("LOG_LEVEL=debug", {}), ("exported=1", {}),
    ("JAVA_OPTS=A=b", {}),
])  # fmt: skip
def test_a_name_of_another_program_may_be_in_the_file(line, environ, tmp_path):
    (tmp_path / ".env").write_text(line, encoding="utf-8")
    assert read(environ, tmp_path)[1] == {}


@pytest.mark.parametrize("name", ["OTP_GRPC_PORT", "OTP_METRICS_PORT", "PORT"])
def test_a_port_that_kubernetes_has_set_is_told_as_such(name, tmp_path):
    """Each pod gets the address of a Service `otp-grpc` in OTP_GRPC_PORT, which nobody has written."""
    (line,) = read({name: "tcp://10.96.0.7:50051"}, tmp_path)[1].values()
    assert "enableServiceLinks: false" in line
    (line,) = read({name: "tcp://elsewhere"}, tmp_path)[1].values()
    assert line.startswith("write a whole number")
