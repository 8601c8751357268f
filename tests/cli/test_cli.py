"""The command line."""

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from otp_app import startup
from otp_app.channels.twilio.settings import TwilioSettings
from otp_app.cli import COMMANDS, command
from otp_app.core.errors import StoreUnavailable
from otp_app.settings import Settings, keyring
from tests.command import run
from tests.running import ROOT
from tests.web.site import Site

ACCOUNT = "AC2938b0a036b288236a2212c30f6a0495"

# ---- keys new


def test_a_new_key_opens_the_api(capsys):
    """The key is shown once; its line, put into the settings, lets its caller in with the scopes asked for."""
    status, printed, _ = run(capsys, "keys", "new", "shop", "--scopes", "send")
    assert status == 0
    (key,) = re.findall(r"otp_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", printed)
    (line,) = re.findall("OTP_API_KEYS=(.*)", printed)
    assert key not in line
    settings = startup.load({"OTP_API_KEYS": line, "OTP_CHANNELS": "tests.web.site:RecordingChannel"}, Path())
    site = Site(otp_api_keys=settings.otp_api_keys)
    answers = [site.send(), site.send(key=key), site.verify(site.number(), "123456", key=key)]
    site.close()
    assert [answer.status_code for answer in answers] == [401, 200, 403]


def test_by_default_a_key_sends_and_verifies(capsys):
    _, printed, _ = run(capsys, "keys", "new", "shop")
    assert "OTP_API_KEYS=shop:send+verify:" in printed


def test_no_two_keys_are_alike(capsys):
    assert run(capsys, "keys", "new", "shop")[1] != run(capsys, "keys", "new", "shop")[1]


@pytest.mark.parametrize("scopes", ["everything", "", "send,root", "send verify"])
def test_an_unknown_scope_is_refused(capsys, scopes):
    status, printed, error = run(capsys, "keys", "new", "shop", "--scopes", scopes)
    assert (status, printed) == (2, "")
    assert "send, verify, metrics" in error


@pytest.mark.parametrize("name", ["shop", "shop.eu-1_A", "my shop", "a:b", "a,b", "", "x" * 41, "caf\xe9"])
def test_whatever_key_is_made_the_settings_take_it(capsys, folder, name):
    """A name that no setting could have is refused now, not at the next start."""
    status, printed, _ = run(capsys, "keys", "new", name)
    if status == 0:
        (line,) = re.findall("OTP_API_KEYS=(.*)", printed)
        startup.load({"OTP_API_KEYS": line, "OTP_CHANNELS": "tests.web.site:RecordingChannel"}, folder)
    assert status in (0, 2)


# ---- keys secret


def test_secrets_are_printed_as_settings(capsys, folder):
    """The two lines, and nothing else, so that they can be appended to .env."""
    status, printed, _ = run(capsys, "keys", "secret")
    (folder / ".env").write_text(printed, encoding="ascii")
    assert status == 0
    assert [line.split("=")[0] for line in printed.splitlines()] == ["OTP_SECRET_KEYS", "OTP_INDEX_KEY"]
    assert startup.load({}, folder).otp_secret_keys.startswith("k1:")


# ---- check


def test_check_says_that_all_is_well(capsys):
    """Exit status 0."""
    status, printed, error = run(capsys, "check")
    assert (status, printed, error) == (0, f"{startup.NO_PROXY}\nThe settings are in order.\n", "")


def test_check_gives_advice(capsys, monkeypatch):
    """What works and could be better, with exit status 0."""
    given = {"OTP_CHANNELS": "sms", "TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": "t"}
    given |= {"OTP_API_KEYS": "shop:send:" + "0" * 64}
    for name, text in (given | {"TWILIO_PHONE_NUMBER": "+14155238886"}).items():
        monkeypatch.setenv(name, text)
    status, printed, _ = run(capsys, "check")
    assert status == 0
    assert printed.startswith("TWILIO_AUTH_TOKEN: ")
    assert printed.endswith("The settings are in order.\n")


def test_check_lists_all_faults(capsys, monkeypatch):
    """A line each on standard error, exit status 1."""
    monkeypatch.setenv("PORT", "x")
    monkeypatch.setenv("HOST", "0.0.0.0")
    status, printed, error = run(capsys, "check")
    assert (status, printed) == (1, "")
    assert [line.split(":")[0] for line in error.splitlines()] == ["PORT", "HOST"]


def test_check_reads_dot_env(capsys, folder):
    (folder / ".env").write_text("PORT=x\n", encoding="ascii")
    assert run(capsys, "check")[0] == 1


def test_check_tries_the_store(capsys, folder):
    """A database that is none is found before the server runs into it."""
    (folder / "var").mkdir()
    (folder / "var" / "otp.keys").write_text(keyring.new_lines())
    (folder / "var" / "otp.keys").chmod(0o600)
    (folder / "var" / "otp.db").write_bytes(b"no database" * 100)
    status, _, error = run(capsys, "check")
    assert status == 1
    assert error.startswith("OTP_STORE_URL: ")
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(("content", "fault"), [
    (None, "ENOENT"), ("user_id;phone_number\n", "line 1 must name the columns"),
    ("user_id,phone_number\nann,\nANN,\n", "row 3 has the user id of one before, row 2"),
    ("user_id,phone_number\nann,4.36641E+11\n", "row 2 has a phone number that cannot be read"),
])  # fmt: skip
def test_check_looks_into_the_directory(capsys, monkeypatch, tmp_path, content, fault):
    """A file that is not there or cannot be read is not in order."""
    if content:
        (tmp_path / "users.csv").write_text(content)
    monkeypatch.setenv("OTP_APIS", "native,users")
    monkeypatch.setenv("OTP_DIRECTORY_URL", f"file://{tmp_path}/users.csv")
    status, printed, error = run(capsys, "check")
    assert (status, printed) == (1, "")
    assert error.startswith("OTP_DIRECTORY_URL: ")
    assert fault in error
    assert len(error.splitlines()) == 1


def test_check_looks_at_the_key_file(capsys, folder):
    keyring.ensure(Settings())
    assert run(capsys, "check")[0] == 0
    (folder / "var" / "otp.keys").chmod(0o644)
    status, _, error = run(capsys, "check")
    assert status == 1
    assert "chmod 600" in error


def test_check_makes_nothing(capsys, folder):
    """It only looks: neither the key file, nor the database, nor their folder."""
    assert run(capsys, "check")[0] == 0
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["var", "var/otp.db", "var/otp.keys", "var/otp.db-wal"])
def test_check_looks_at_what_is_left_without_a_database(capsys, folder, name):
    """A disk that is not mounted, or a database that got lost: the start is refused, so nothing is in order."""
    if name != "var":
        (folder / "var").mkdir()
    if name.endswith("-wal"):
        (folder / name).touch()
    else:
        (folder / name).symlink_to("/not/mounted")
    status, printed, error = run(capsys, "check")
    assert (status, printed) == (1, "")
    assert re.match(f"OTP_STORE_URL: .*{name}", error)
    with pytest.raises((startup.BadSettings, StoreUnavailable)):
        startup.prepare(Settings())


@pytest.mark.parametrize("name", ["otp.db", "otp-counters.db"])
def test_a_database_that_others_can_read_is_refused(capsys, folder, name):
    """As a key file is, with the command that mends it."""
    startup.prepare(Settings())
    (folder / "var" / "otp-counters.db").touch(0o600)
    (folder / "var" / name).chmod(0o644)
    status, _, error = run(capsys, "check")
    assert (status, error) == (1, f"OTP_STORE_URL: others can read the database: chmod 600 {Path('var', name)}\n")


@pytest.mark.parametrize(("variable", "value"), [
    ("TWILIO_ACCOUNT_SID", "AC" + "0" * 32), ("TWILIO_ACCOUNT_SID", "AC" + "a" * 32),
    ("TWILIO_ACCOUNT_SID", "AC" + "12" * 16), ("TWILIO_ACCOUNT_SID", "AC" + "0123456789abcdef" * 2),
    ("TWILIO_ACCOUNT_SID", "AC" + "1234567890ABCDEF" * 2), ("TWILIO_VERIFY_SERVICE_SID", "VA" + "0" * 32),
    ("TWILIO_CONTENT_SID", "HX" + "f" * 32), ("TWILIO_MESSAGING_SERVICE_SID", "MG" + "0" * 32),
    ("TWILIO_PHONE_NUMBER", "+15005550006"), ("TWILIO_PHONE_NUMBER", "+15555555555"),
    ("TWILIO_PHONE_NUMBER", "+14155550199"), ("TWILIO_WHATSAPP_NUMBER", "whatsapp:+15551234567"),
])  # fmt: skip
def test_no_placeholder_is_in_order(capsys, monkeypatch, variable, value):
    """Ids and senders as documents have them: such a server starts, and sends nothing."""
    given = {"OTP_CHANNELS": "sms", "TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": "t",
             "TWILIO_PHONE_NUMBER": "+14155238886"}  # fmt: skip
    for name, text in (given | {variable: value}).items():
        monkeypatch.setenv(name, text)
    status, printed, error = run(capsys, "check")
    assert (status, printed) == (1, "")
    assert error == f"{variable}: this is a placeholder: copy the value from your provider's console\n"


@pytest.mark.parametrize("value", ["ACxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "AC\u2026", "ACXXXXXXXX", "<your sid>"])
def test_a_placeholder_that_is_no_id_is_a_fault(capsys, monkeypatch, value):
    for name, text in {"TWILIO_ACCOUNT_SID": value, "TWILIO_AUTH_TOKEN": "t"}.items():
        monkeypatch.setenv(name, text)
    status, _, error = run(capsys, "check")
    assert (status, "TWILIO_ACCOUNT_SID: write" in error) == (1, True)


@pytest.mark.parametrize("sender", ["+14155238886", "+15005560006", "+14155560123", "+447700900123", "MyShop"])
def test_what_may_be_right_is_no_placeholder(sender):
    ids = {f"twilio_{name}_sid": f"{prefix}2938b0a036b288236a2212c30f6a0495"
           for name, prefix in [("account", "AC"), ("content", "HX"), ("verify_service", "VA")]}  # fmt: skip
    assert TwilioSettings(twilio_phone_number=sender, **ids).placeholders == []
    made_up = dict.fromkeys(ids, "AC" + "1" * 32) | {"twilio_phone_number": "+15005550006"}
    assert TwilioSettings(**made_up, twilio_api_base_url="http://127.0.0.1:1").placeholders == []


def test_a_file_that_others_can_read_is_not_in_order(capsys, folder):
    (folder / ".env").write_text("")
    (folder / ".env").chmod(0o644)
    status, _, error = run(capsys, "check")
    assert (status, error) == (1, ".env: other users can read this file: chmod 600 .env\n")


# ---- the command itself


@pytest.mark.parametrize("arguments", [(), ("keys",), ("serv",), ("keys", "new"), ("check", "now"), ("purge", "--d")])
def test_a_wrong_command_shows_how(capsys, arguments):
    status, _, error = run(capsys, *arguments)
    assert status == 2
    assert error.startswith("Usage: otp-app ")


@pytest.mark.parametrize(("arguments", "meant"), [
    (("chekc",), "check"), (("keys", "nwe"), "new"), (("purge", "--dyas", "3"), "--days"),
])  # fmt: skip
def test_a_misspelled_word_is_answered_with_the_one_that_was_meant(capsys, arguments, meant):
    assert run(capsys, *arguments).error.endswith(f"Did you mean '{meant}'?\n")


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_names_the_commands(capsys, option):
    status, printed, _ = run(capsys, option)
    assert status == 0
    assert re.findall(r"^  (\w+) ", printed.partition("Commands:")[2], re.MULTILINE) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_says_what_a_command_says_of_itself(capsys, name):
    """Its first sentence, and neither is cut off; every terminal has its letters."""
    said = run(capsys, name, "--help").output
    assert said.split("\n")[2].strip() == COMMANDS[name].summary
    assert COMMANDS[name].summary in run(capsys, "--help").output
    assert "..." not in said.partition("\n")[2]
    assert said.isascii()


def test_a_command_is_imported_when_it_is_called():
    """The help of all imports none, and a command no other one."""
    program = """if True:
        import sys
        from otp_app import cli
        cli.main(["--help"])
        print([name for name in sys.modules if name in ("flask", "otp_app.stores", "otp_app.cli.keys")])
        cli.main(["keys", "secret"])
        print("flask" in sys.modules, "otp_app.cli.check" in sys.modules)
    """
    line = [sys.executable, "-c", program]
    ended = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "[]" in ended.stdout.splitlines()
    assert ended.stdout.splitlines()[-1] == "False False"


def test_a_mistake_of_ours_is_told_as_it_is(capsys):
    """A fault that an OtpError names is one line."""

    @click.command()
    def broken():
        raise StoreUnavailable("it is away")

    assert (command.run(broken, [], "otp-app"), capsys.readouterr().err) == (1, "it is away\n")


def test_the_module_knows_its_name(folder):
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-m", "otp_app", "-h"]
    ended = subprocess.run(line, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.startswith("Usage: python -m otp_app ")


@pytest.mark.parametrize(("port", "status"), [("5000", 0), ("x", 1)])
def test_the_module_runs(folder, port, status):
    """`python -m otp_app check` ends with the command's status."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PORT": port}
    line = [sys.executable, "-m", "otp_app", "check"]
    ended = subprocess.run(line, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == status
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("arguments", [
    ("purge", "--days", "9" * 5000), ("backup", ""), ("backup", "/"), ("store", "copy", "@.", "x"),
    ("users", "check", ""),
    ("accounts", "import", "postgresql://"), ("send", "+1", "--key-file", "."), ("keys", "rotate", "\udcff"),
])  # fmt: skip
def test_whatever_is_written_is_answered_in_lines(capsys, monkeypatch, arguments):
    """No traceback for a person's mistake."""
    monkeypatch.setenv("PORT", "1")
    status, printed, error = run(capsys, *arguments)
    assert (status in (1, 2), printed) == (True, "")
    assert error
