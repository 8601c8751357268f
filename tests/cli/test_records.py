"""The command line: listing the verifications of a store, and forgetting quiet numbers."""

import json
import os
import re
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Send, Status, Verification
from otp_app.core.ledger_json import encode
from otp_app.core.moving import Freeze, Item
from otp_app.core.policy import DAY
from otp_app.stores import open_store
from tests.command import run
from tests.running import ROOT

URL = "sqlite:///otp.db"
STORE = f"Store: {URL}\n"
PHONE = "+14155552671"
COMMANDS = pytest.mark.parametrize("command", [("verifications",), ("purge", "--dry-run"), ("purge",)])


@pytest.fixture(autouse=True)
def _store(monkeypatch):
    monkeypatch.setenv("OTP_STORE_URL", URL)


def fill(*ledgers):
    with closing(open_store(URL)) as store:
        store.load([Item(f"n:{n}", encode(ledger), 3600.0) for n, ledger in enumerate(ledgers)])


def quiet(days):
    """A number to which nothing happened for so many days."""
    return Ledger(PHONE, last_send=time.time() - days * DAY)


def frozen(how):
    with closing(open_store(URL)) as store:
        store.freeze(how)


@COMMANDS
def test_no_file_of_counters_is_made(command, capsys):
    """Beside a database that was restored without it, root's would keep the server from its start."""
    fill(quiet(40))
    Path("otp-counters.db").unlink()
    assert run(capsys, *command)[0] == 0
    assert not Path("otp-counters.db").exists()


# ---- verifications


def test_the_list_says_what_may_be_said(capsys):
    """A line for each: masked, with what was sent and guessed; the sum is no part of it."""
    begun = Instant(1_750_000_000.0, "", 0.0)
    sends = (Send("VL1", "sms", 0.0), Send("VL2", "sms", 0.0))
    fill(Ledger(PHONE, (Verification(f"VE{7:032x}", "pay", "k1", 6, begun, 300.0, attempts=3, sends=sends),)))
    status, printed, error = run(capsys, "verifications")
    assert (status, error) == (0, f"{STORE}Verifications: 1. Pending: 0.\n")
    assert printed.splitlines() == [
        "VERIFICATION                        TO            PURPOSE  STATUS   STARTED               SENDS  WRONG",
        "VE00000000000000000000000000000007  +1*******671  pay      expired  2025-06-15T15:06:40Z  2 sms  3",
    ]


def test_the_list_is_for_programs_too(capsys):
    """One JSON object a line, the pending one first."""
    now = time.time()
    over = Verification(f"VE{1:032x}", "login", "k1", 6, Instant(now, "", 0.0), 300.0, Status.APPROVED, ended_at=now)
    pending = Verification(f"VE{2:032x}", "pay", "k1", 6, Instant(now - 60, "", 0.0), 300.0)
    fill(Ledger(PHONE, (over, pending)))
    status, printed, error = run(capsys, "verifications", "--json")
    first, second = map(json.loads, printed.splitlines())
    assert (status, error) == (0, f"{STORE}Verifications: 2. Pending: 1.\n")
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", first.pop("created_at"))
    assert first == {
        "verification_id": pending.id, "status": "pending", "to": "+1*******671", "purpose": "pay",
        "sends": 0, "channels": [], "attempts": 0,
    }  # fmt: skip
    assert (second["verification_id"], second["status"]) == (over.id, "approved")


def test_an_empty_store_lists_nothing(capsys):
    fill()
    assert run(capsys, "verifications", "--json") == (0, "", f"{STORE}Verifications: 0. Pending: 0.\n")


def test_what_cannot_be_read_is_reported(capsys):
    fill(quiet(0))
    with closing(open_store(URL)) as store:
        store.swap("n:broken", None, b"\xff", 3600.0)
    status, _, error = run(capsys, "verifications")
    assert (status, error.splitlines()[2:]) == (0, ["Unreadable records: 1"])


def test_whoever_reads_may_stop(folder):
    begun = Instant(time.time(), "", 0.0)
    fill(*(Ledger(PHONE, (Verification(f"VE{n:032x}", "login", "k1", 6, begun, 300.0),)) for n in range(2000)))
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "OTP_STORE_URL": URL}
    command = f"{sys.executable} -m otp_app verifications | head -n 1"
    ended = subprocess.run(command, shell=True, cwd=folder, env=environ, capture_output=True, text=True, timeout=60)
    assert ended.stdout.startswith("VERIFICATION ")
    assert ended.stderr == f"{STORE}Verifications: 2000. Pending: 2000.\n"


@pytest.mark.parametrize("kind", ["sqlite", "redis", "postgres"])
def test_both_work_beside_a_server(capsys, monkeypatch, server, fake_twilio, new_store, kind):
    """What is pending is listed without its code, and is good afterwards: it is not quiet."""
    url, number = new_store(kind), "+14155552671"
    running = server(store=url)
    assert running.post("/send-otp", {"phone_number": number}).status == 200
    code = fake_twilio.code(number)
    monkeypatch.setenv("OTP_STORE_URL", url)
    status, printed, _ = run(capsys, "verifications", "--json")
    (listed,) = map(json.loads, printed.splitlines())
    assert (status, listed["status"], listed["channels"], listed["to"]) == (0, "pending", ["sms"], "+1*******671")
    assert code not in printed.replace(listed["verification_id"], "")
    assert run(capsys, "purge", "--days", "1")[1] == "Numbers deleted: 0. Kept because they were used meanwhile: 0.\n"
    assert running.post("/verify-otp", {"phone_number": number, "otp": code}).status == 200


def test_the_list_can_be_narrowed(capsys):
    """By number, by when it began and by what it is; pending ones of others do not count."""
    now = time.time()
    old, new = (Verification(f"VE{n:032x}", "login", "k1", 6, Instant(now - ago, "", 0.0), 300.0)
                for n, ago in ((1, 2 * DAY), (2, 60)))  # fmt: skip
    other = replace(new, id=f"VE{3:032x}")
    fill(Ledger(PHONE, (old, new)), Ledger("+14155552672", (other,)))

    def listed(*options):
        ended = run(capsys, "verifications", "list", *options, "--json")
        assert ended.status == 0
        return {json.loads(line)["verification_id"] for line in ended.output.splitlines()}, ended.error

    assert listed() == ({old.id, new.id, other.id}, f"{STORE}Verifications: 3. Pending: 2.\n")
    assert listed("--number", "+1 415 555 2671") == ({old.id, new.id}, f"{STORE}Verifications: 2. Pending: 1.\n")
    assert listed("--since", "24h")[0] == {new.id, other.id}
    assert listed("--status", "expired")[0] == {old.id}
    assert listed("--since", "2020-01-01", "--status", "pending", "--number", PHONE)[0] == {new.id}


@pytest.mark.parametrize("options", [("--since", "soon"), ("--since", "0h"), ("--status", "done")])
def test_what_narrows_nothing_is_refused(capsys, options):
    fill()
    assert run(capsys, "verifications", "list", *options).status == 2


# ---- purge


@pytest.mark.parametrize(("days", "count"), [("", 1), ("--days 30", 1), ("--days 8", 2), ("--days 1", 3)])
def test_so_many_days_of_quiet(capsys, days, count):
    """Thirty where nothing is said; the dry run tells beforehand."""
    fill(quiet(31), quiet(29), quiet(2), quiet(0.9))
    assert run(capsys, "purge", *days.split(), "--dry-run") == (0, f"Numbers that would be deleted: {count}\n", STORE)
    gone = (0, f"Numbers deleted: {count}. Kept because they were used meanwhile: 0.\n", STORE)
    assert run(capsys, "purge", *days.split()) == gone
    assert run(capsys, "purge", *days.split(), "--dry-run")[1] == "Numbers that would be deleted: 0\n"


@pytest.mark.parametrize("days", ["0", "-1", "0.5", "x", "", "10001", "\u0663"])
def test_less_than_a_day_is_refused(capsys, days):
    """Whatever is pending, and a day's caps, stay."""
    fill(quiet(0.9))
    status, _, error = run(capsys, "purge", "--days", days)
    assert status == 2
    assert error.endswith("Invalid value for '--days': must be a number of days from 1 to 10000, such as 30\n")


def test_help_says_what_purging_costs(capsys):
    words = " ".join(run(capsys, "purge", "--help")[1].split())
    assert "records expire by themselves, a day after the last message or 31 days after a wrong code" in words
    assert "their wrong attempts, whose sum over 30 days bounds guessing" in words
    assert "idempotency keys and counters are kept" in words


# ---- stores that cannot be looked at


@COMMANDS
@pytest.mark.parametrize("how", [Freeze.MOVED, Freeze.FILLING])
def test_a_frozen_store_is_refused(capsys, command, how):
    fill(quiet(40))
    frozen(how)
    assert run(capsys, *command) == (1, "", f"{STORE}{how.message}\n")


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_nothing_is_forgotten_while_records_move(capsys, dry):
    fill(quiet(40))
    frozen(Freeze.MOVING)
    assert run(capsys, "purge", *dry) == (1, "", f"{STORE}{Freeze.MOVING.message}\n")


def test_what_is_being_moved_is_listed(capsys):
    fill(quiet(0))
    frozen(Freeze.MOVING)
    assert run(capsys, "verifications")[0] == 0


@COMMANDS
@pytest.mark.parametrize(("url", "line"), [
    ("sqlite:///typo.db", "OTP_STORE_URL: the file {folder}/typo.db does not exist\n"),
    ("memory://", "OTP_STORE_URL: this command cannot scan such a store; use sqlite, redis or postgresql\n"),
    ("redis://127.0.0.1:1/0", "OTP_STORE_URL: The store is not available (ConnectionError: no answer there"),
    ("nowhere://", "OTP_STORE_URL: no store is known by this URL"),
])  # fmt: skip
def test_a_store_that_cannot_be_used_is_a_line(capsys, folder, monkeypatch, command, url, line):
    monkeypatch.setenv("OTP_STORE_URL", url)
    status, printed, error = run(capsys, *command)
    told, _, error = error.partition("\n")
    assert told == f"Store: {url}"
    assert (status, printed, error.startswith(line.format(folder=folder)), error.count("\n")) == (1, "", True, 1)
    assert list(folder.iterdir()) == []


@COMMANDS
@pytest.mark.parametrize(("given", "line"), [
    ({"OTP_STORE_URL_FILE": "absent"}, "OTP_STORE_URL_FILE: the file cannot be read\n"),
    ({"REDIS_HOST": "redis", "REDIS_PORT": "x"}, "REDIS_PORT: write a number\n"),
    ({"REDIS_HOST": "redis", "REDIS_DB": "x"}, "REDIS_DB: write a number\n"),
    ({"REDIS_HOST_FILE": "absent"}, "REDIS_HOST_FILE: the file cannot be read\n"),
])  # fmt: skip
def test_a_store_that_is_not_clearly_named_is_a_line(capsys, monkeypatch, command, given, line):
    monkeypatch.delenv("OTP_STORE_URL")
    for variable, text in given.items():
        monkeypatch.setenv(variable, text)
    assert run(capsys, *command) == (1, "", line)


@COMMANDS
def test_where_dot_env_cannot_be_read_nobody_knows_the_store(capsys, folder, monkeypatch, command):
    monkeypatch.delenv("OTP_STORE_URL")
    (folder / ".env").write_bytes(b"\xff")
    assert run(capsys, *command) == (1, "", ".env: the file cannot be read as text\n")


@COMMANDS
def test_other_settings_need_not_be_in_order(capsys, monkeypatch, command):
    """A server with them would not start; its store can be looked at."""
    fill()
    monkeypatch.setenv("OTP_TTL", "abc")
    assert run(capsys, *command).status == 0
