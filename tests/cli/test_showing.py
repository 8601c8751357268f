"""The command line: what became of a verification."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from otp_app.channels import explaining
from otp_app.channels.twilio import errors
from otp_app.cli.sources import without_secrets
from otp_app.core.instant import Instant
from otp_app.core.ledger import Inbound, Ledger, Report, Send, Status, Verification
from otp_app.core.ledger_json import encode
from otp_app.core.moving import Freeze, Item
from otp_app.stores import open_store
from tests.command import run
from tests.provider import Provider
from tests.running import ROOT, RunningServer

URL, PHONE, OTHER = "sqlite:///otp.db", "+14155552671", "+14155552672"
AT = 1_750_000_000.0
OLD, NEW, ELSE, ASKED = (f"VE{n:032x}" for n in (1, 2, 3, 4))


def verification(id_: str, *sends: Send, begun: float = AT, **more: Any) -> Verification:
    return Verification(id_, "login", "k1", 6, Instant(begun, "", 0.0), 300.0, sends=sends, **more)


DROPPED = Send("VL1", "whatsapp", AT + 1, "sent", provider_id="SM\x1b[2J1", receipts=(
    Report("sent", AT + 2), Report("undelivered", AT + 3, 63016),
))  # fmt: skip
REFUSED = Send("VL2", "sms", AT + 4, "refused", reason="throttled", error=20429)
HANDED_ON = Send("VL4", "sms", AT - 99, "sent", provider_id="SM4", receipts=(Report("sent", AT - 98),))
TAKEN = Send("VL5", "sms", AT - 97, "sent", provider_id="SM5")
ARRIVED = Send("VL3", "own", AT + 5, "unknown")


@pytest.fixture(autouse=True)
def _store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two numbers, one of which has two verifications."""
    monkeypatch.setenv("OTP_STORE_URL", URL)
    ledgers = (
        Ledger(PHONE, (
            verification(OLD, HANDED_ON, TAKEN, status=Status.CANCELED, ended_at=AT - 50, begun=AT - 100),
            verification(NEW, DROPPED, REFUSED, ARRIVED, attempts=2, tags={"order": "A-1"}),
        )), Ledger(OTHER, (verification(ELSE),)),
    )  # fmt: skip
    with closing(open_store(URL)) as store:
        store.load([Item(f"n:{n}", encode(ledger), 3600.0) for n, ledger in enumerate(ledgers)])  # type: ignore[attr-defined]


def test_a_verification_is_told_in_plain_words(capsys: Any) -> None:
    """Each message with time, channel, provider's id and receipts, and what an error means; the number is masked."""
    status, printed, error = run(capsys, "verifications", "show", NEW)
    assert (status, error) == (0, f"Store: {URL}\n")
    assert printed.splitlines() == [
        f"{NEW}: expired, for +1*******671, login",
        "  2025-06-15T15:06:40Z  begun",
        "  2025-06-15T15:06:41Z  message by whatsapp, SM?[2J1: undelivered: it will not arrive",
        "    2025-06-15T15:06:42Z  sent",
        "    2025-06-15T15:06:43Z  undelivered",
        f"      Error 63016 (template): {errors.meaning(63016).sentence}",
        "  2025-06-15T15:06:44Z  message by sms: refused (throttled): the provider did not take it",
        f"      Error 20429 (rate): {errors.meaning(20429).sentence}",
        "  2025-06-15T15:06:45Z  message by own: unknown: the provider gave no clear answer",
        "  2025-06-15T15:11:40Z  expired",
        "  Wrong codes: 2, 3 more allowed. Seconds left: 0.",
        '  Tags: {"order": "A-1"}',
    ]


def test_sent_means_more_where_a_receipt_says_so(capsys: Any) -> None:
    """Without receipts nobody knows; with one, the phone or its carrier has not answered."""
    handed_on, _, taken, *_ = run(capsys, "verifications", "show", OLD).output.splitlines()[2:]
    assert "SM4: sent: the provider handed it on; the phone is off, or its carrier" in handed_on
    assert taken.endswith("SM5: sent: the provider took it; without receipts nothing more is known")


@pytest.mark.parametrize(("number", "inbound", "lines"), [
    ("", Inbound(), [f"{ASKED}: expired, for a number that is not known yet, login", "  2025-06-15T15:06:40Z  begun",
                     "  2025-06-15T15:11:40Z  expired"]),
    (PHONE, Inbound("whatsapp", "SM\x1b1"), [
        f"{ASKED}: approved, for +1*******671, login", "  2025-06-15T15:06:40Z  begun",
        "  2025-06-15T15:06:45Z  the user wrote by whatsapp, SM?1", "  2025-06-15T15:06:45Z  approved",
    ]),
])  # fmt: skip
def test_a_message_from_the_user_is_told_of(capsys: Any, number: str, inbound: Inbound, lines: list[str]) -> None:
    """The list of all has a dash for a number that is not known."""
    ended: Any = {"status": Status.APPROVED, "ended_at": AT + 5} if number else {}
    with closing(open_store(URL)) as store:
        ledger = Ledger(number, (verification(ASKED, inbound=inbound, **ended),))
        store.load([Item("n:9", encode(ledger), 3600.0)])  # type: ignore[attr-defined]
    assert run(capsys, "verifications", "show", ASKED).output.splitlines()[: len(lines)] == lines
    (row,) = (line for line in run(capsys, "verifications").output.splitlines() if line.startswith(ASKED))
    assert row.split()[1] == ("+1*******671" if number else "-")


@pytest.mark.parametrize("number", [PHONE, "+1 (415) 555-2671"])
def test_a_number_has_all_of_its_verifications(capsys: Any, number: str) -> None:
    """The newest first, also for programs."""
    status, printed, _ = run(capsys, "verifications", "show", "--number", number, "--json")
    assert status == 0
    assert [shown["verification_id"] for shown in json.loads(printed)["verifications"]] == [NEW, OLD]


def test_programs_read_what_the_api_answers(
    capsys: Any, monkeypatch: pytest.MonkeyPatch, server: Callable[..., RunningServer], fake_twilio: Provider
) -> None:
    """The same fields and texts, with nothing but the store's URL in the settings; nothing is made in its folder."""
    for file in Path().glob("otp*"):
        file.unlink()
    running = server()
    sent = running.post("/send-otp", {"phone_number": "+14155552679"}).json
    answer = running.call("GET", f"/verifications/{sent['verification_id']}").json
    code = fake_twilio.code("+14155552679")
    monkeypatch.setenv("OTP_STORE_URL", running.environment["OTP_STORE_URL"])
    monkeypatch.chdir(running.folder)
    before = {each.name for each in Path().iterdir()}
    shown = json.loads(run(capsys, "verifications", "show", sent["verification_id"], "--json").output)
    passing = {"expires_in": 0, "resend_in": 0}
    assert shown | passing == answer | passing
    assert 0 < shown["resend_in"] <= answer["resend_in"]
    assert code not in json.dumps(shown | {"verification_id": "", "version": "", "sends": []})
    assert {each.name for each in Path().iterdir()} == before


def test_every_error_of_twilio_is_explained_without_an_account() -> None:
    assert {channel.name for channel in explaining()} == {"sms", "whatsapp"}


@pytest.mark.parametrize("command", [("show", NEW), ("show", "--number", PHONE), ()])
def test_a_command_that_looks_makes_nothing(capsys: Any, command: tuple[str, ...]) -> None:
    """A file that it made would be its caller's, and the server's user could not write it."""
    for file in {*Path().glob("otp*")} - {Path("otp.db")}:
        file.unlink()
    assert run(capsys, "verifications", *command).status == 0
    assert [*Path().glob("otp*")] == [Path("otp.db")]


@pytest.mark.parametrize(("arguments", "line"), [
    ((), "Give the id of a verification, or --number +14155552671\n"),
    ((NEW, "--number", PHONE), "Give the id of a verification, or --number +14155552671\n"),
    (("NT" + "9" * 32,), "This is the id of a notification: GET /notifications/ID shows what became of it\n"),
    (("--number", "hello"), "--number: phone_number must be in E.164 form, such as +14155552671\n"),
])  # fmt: skip
def test_a_mistake_is_a_line(capsys: Any, arguments: tuple[str, ...], line: str) -> None:
    assert run(capsys, "verifications", "show", *arguments) == (1, "", line)


@pytest.mark.parametrize("arguments", [("VE" + "9" * 32,), ("x\x1b",)])
def test_what_is_not_stored_is_a_line(capsys: Any, arguments: tuple[str, ...]) -> None:
    status, printed, error = run(capsys, "verifications", "show", *arguments)
    assert (status, printed, error.splitlines()[1][:24]) == (1, "", "Nothing is stored of it:")


def test_the_name_of_a_store_has_no_secrets(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTP_STORE_URL", "redis://me:hunter2@127.0.0.1:1/0?password=hunter3")
    status, printed, error = run(capsys, "verifications", "show", NEW)
    assert (status, printed, error.splitlines()[0]) == (1, "", "Store: redis://127.0.0.1:1/0")
    assert "hunter" not in error


@pytest.mark.parametrize("command", [("verifications",), ("purge", "--dry-run"), ("events", "dead")])
@pytest.mark.parametrize("url", [
    "redis:/me:hunter2@127.0.0.1", "redis//me:hunter2@h", "postgresql://u:hun@ter2@h/db", "postgresql://u:hunt/er2@h",
    "postgresql://u:hun?ter2@h/db", "postgresql://u:hun#ter2@h", "postgresqll://u:hunter2@h/db", "redis://h:hunter2",
    "me:hunter2@h", "sqlite://u:hunter2@h/db", "postgresql://h/db?password=a@hunter2", "no.module:Class?key=hunter2",
])  # fmt: skip
def test_the_name_of_a_store_that_is_mistyped_has_none_either(
    capsys: Any, monkeypatch: pytest.MonkeyPatch, url: str, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("OTP_STORE_URL", url)
    status, printed, error = run(capsys, *command)
    assert (status, printed) == (1, "")
    assert not any(part in error for part in ("hunt", "ter2", "er2@"))


def test_the_name_of_a_store_is_shown_where_it_has_no_secret() -> None:
    for url in ("sqlite:///var/otp.db", "redis://h:6379/1", "redis+sentinel://h1:1,[::1]:2/0", "own.module:Class"):
        assert without_secrets(url) == url
    assert without_secrets("postgresql://u:hunter2@h:1/db?x=1") == "postgresql://h:1/db"


def test_a_store_that_was_moved_is_not_shown(capsys: Any) -> None:
    with closing(open_store(URL)) as store:
        store.freeze(Freeze.MOVED)  # type: ignore[attr-defined]
    status, printed, error = run(capsys, "verifications", "show", NEW)
    assert (status, printed, error) == (1, "", f"Store: {URL}{os.linesep}{Freeze.MOVED.message}\n")


def test_a_terminal_without_all_letters_gets_escapes() -> None:
    """What a client noted with a verification may have any."""
    with closing(open_store(URL)) as store:
        ledger = Ledger(OTHER, (verification(ASKED, tags={"name": "Zoë"}),))
        store.load([Item("n:9", encode(ledger), 3600.0)])  # type: ignore[attr-defined]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii", "OTP_STORE_URL": URL}
    command = [sys.executable, "-m", "otp_app", "verifications", "show", ASKED]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=True)
    assert r"Zo\xeb" in ended.stdout
