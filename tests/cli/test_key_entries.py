"""`keys list`, `keys revoke` and `keys rotate`: the entries where they are set."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from otp_app import startup
from otp_app.cli import rewriting
from otp_app.cli.key_entries import LAST, NONE, RELOAD, THEN
from otp_app.cli.open_store import AS_SERVERS, OTHER_KEY
from otp_app.cli.setting_place import IN_ENVIRONMENT
from otp_app.core.codes import parse_keys
from otp_app.core.ledger import Ledger
from otp_app.core.ledger_json import encode
from otp_app.settings import Settings, keyring
from otp_app.stores import open_store
from tests.command import run
from tests.running import ROOT

SHOP, TILL = (f"{name}:{scopes}:{hashlib.sha256(name.encode()).hexdigest()}"
              for name, scopes in (("shop", "send+verify"), ("till", "verify")))  # fmt: skip
ENV = f"# keys: {SHOP}\nOTP_TTL=120\n\nOTP_API_KEYS='{SHOP}, {TILL}' # both\n# the end"


@pytest.fixture(params=["file", ".env"])
def place(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that has two entries."""
    if request.param == ".env":
        path = folder / ".env"
        path.write_text(ENV)
    else:
        path = folder / "api_keys"
        path.write_text(f"{SHOP}, {TILL}\n")
        monkeypatch.setenv("OTP_API_KEYS_FILE", str(path))
    path.chmod(0o640)
    return path


def digests() -> dict[str, str]:
    """What the server reads now."""
    channel = {"OTP_CHANNELS": "tests.web.site:RecordingChannel"}
    keys = startup.load(os.environ | channel, Path()).otp_api_keys
    return {key.name: key.digest for key in keys}


def test_keys_are_listed(capsys: Any, place: Path) -> None:
    """By name and scopes; nothing of a key is known but its hash, and of that the beginning is shown."""
    status, printed, error = run(capsys, "keys", "list")
    assert (status, error.endswith(": 2.\n")) == (0, True)
    assert [line.split() for line in printed.splitlines()] == [
        ["shop", SHOP[-64:-56], "send+verify"], ["till", TILL[-64:-56], "verify"],
    ]  # fmt: skip
    rows = [json.loads(line) for line in run(capsys, "keys", "list", "--json").output.splitlines()]
    assert rows[1] == {"name": "till", "scopes": "verify", "sha256": TILL[-64:-56]}


def test_no_keys_are_listed(capsys: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without entries lets nobody in, and is a fault for the server; the command says how many there are."""
    (folder / "api_keys").write_text("")
    monkeypatch.setenv("OTP_API_KEYS_FILE", str(folder / "api_keys"))
    assert run(capsys, "keys", "list") == (0, "", f"API keys in {folder / 'api_keys'}: 0.\n")


def test_a_revoked_key_is_gone_from_its_file(capsys: Any, place: Path) -> None:
    """Comments, other lines, mode and owner stay, and what makes it known to the servers is said."""
    before, text = place.stat(), place.read_text()
    status, printed, error = run(capsys, "keys", "revoke", "shop")
    assert (status, error, printed.splitlines()[1]) == (0, "", RELOAD)
    assert digests() == {"till": TILL[-64:]}
    assert place.read_text() == text.replace(f"{SHOP}, {TILL}", TILL)
    after = place.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino
    assert [path for path in place.parent.iterdir() if path.name.startswith(f".{place.name}")] == []


def test_a_rotated_key_has_another_secret(capsys: Any, place: Path) -> None:
    """And the same scopes; the others stay as they are."""
    status, printed, error = run(capsys, "keys", "rotate", "shop")
    (key,) = re.findall(r"otp_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", printed)
    assert (status, error, digests()) == (
        0, "", {"shop": hashlib.sha256(key.encode()).hexdigest(), "till": TILL[-64:]},
    )  # fmt: skip
    assert "shop:send+verify:" in place.read_text().splitlines()[-2 if place.name == ".env" else 0]
    assert key not in place.read_text()


def test_a_link_stays_a_link(capsys: Any, place: Path) -> None:
    """Secrets are often mounted as links."""
    place.rename(place.parent / "elsewhere")
    place.symlink_to("elsewhere")
    assert run(capsys, "keys", "revoke", "shop").status == 0
    assert place.is_symlink()
    assert digests() == {"till": TILL[-64:]}


@pytest.mark.parametrize("command", ["revoke", "rotate"])
def test_what_cannot_be_changed_stays(capsys: Any, place: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is not there, a file that cannot be replaced, and one that has changed meanwhile."""
    text = place.read_text()
    assert run(capsys, "keys", command, "shpo").error == f"{_shown(place)} has no key shpo: it has shop, till\n"

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(rewriting.os, "fsync", full)
        status, printed, error = run(capsys, "keys", command, "shop")
    assert (status, printed, "No space left on device" in error, error.count("\n")) == (1, "", True, 1)
    assert place.read_text() == text
    with monkeypatch.context() as patched:
        patched.setattr(rewriting.fcntl, "flock", lambda *_: place.write_text(f"{text}\n"))
        assert run(capsys, "keys", command, "shop").error.endswith("has just changed: run the command again\n")
    assert place.read_text() == f"{text}\n"
    assert [path.name for path in place.parent.iterdir() if path.name.startswith(f".{place.name}.")] == []


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_new_key_that_nobody_sees_takes_no_place(place: Path, more: list[str]) -> None:
    """As into a file on a full disk: the client would be out at the next reload."""
    text = place.read_text()
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "otp_app", "keys", "rotate", "shop", *more], stdout=full, stderr=subprocess.PIPE,
            text=True, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    line = "The new key cannot be shown, so the old one stays: No space left on device\n"
    assert (ended.returncode, ended.stderr) == (1, line)
    assert place.read_text() == text


def _shown(place: Path) -> str:
    return ".env" if place.name == ".env" else str(place)


def test_the_last_key_is_not_removed(capsys: Any, place: Path) -> None:
    """Without any the server would not start, or would open."""
    assert run(capsys, "keys", "revoke", "shop").status == 0
    text = place.read_text()
    assert run(capsys, "keys", "revoke", "till") == (1, "", f"{LAST}\n")
    assert place.read_text() == text


def test_the_environment_cannot_be_changed(capsys: Any, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """It wins over `.env`, where a change would do nothing."""
    assert run(capsys, "keys", "list") == (1, "", f"{NONE.format('OTP_API_KEYS')}\n")
    (folder / ".env").write_text(ENV)
    monkeypatch.setenv("OTP_API_KEYS", f"{SHOP},{TILL}")
    assert run(capsys, "keys", "revoke", "shop") == (1, "", f"OTP_API_KEYS {IN_ENVIRONMENT}\n")
    assert (folder / ".env").read_text() == ENV


def test_a_line_that_is_written_in_another_way_is_left_to_its_writer(capsys: Any, folder: Path) -> None:
    text = f'OTP_API_KEYS="{SHOP}, \\\n{TILL}"\n'
    (folder / ".env").write_text(text)
    ended = run(capsys, "keys", "revoke", "shop")
    assert (ended.status, ended.error.count("\n")) == (1, 1)
    assert (folder / ".env").read_text() == text


def test_the_key_of_codes_is_rotated_in_the_key_file(capsys: Any, folder: Path) -> None:
    """The new one first, the others behind it, the index key and comments as they were; then the old one goes."""
    keyring.ensure(Settings())
    file = folder / "var/otp.keys"
    file.write_text(f"# of ours\n{file.read_text()}")
    old, before = keyring.keys(Settings()), file.read_text()
    status, printed, error = run(capsys, "keys", "rotate-codes")
    assert (status, error, printed.splitlines()) == (0, "", ["Keys of codes in var/otp.keys: k2, k1.", RELOAD, THEN])
    codes, index_key = keyring.keys(Settings())
    assert (codes.current, index_key) == ("k2", old[1])
    assert file.read_text().replace(re.findall("k2:[^,]*,", file.read_text())[0], "") == before
    assert file.stat().st_mode & 0o777 == 0o600
    rows = json.loads(run(capsys, "keys", "rotate-codes", "--drop-old", "--json").output)
    assert rows == {"keys": ["k2"], "file": "var/otp.keys"}
    assert json.loads(run(capsys, "keys", "rotate-codes", "--json").output)["keys"] == ["k3", "k2"]


def test_keys_that_the_store_was_not_used_with_are_not_rotated(capsys: Any, folder: Path) -> None:
    """An old key file beside a store whose keys are in settings of its servers that this command does not have."""
    keyring.ensure(Settings())
    before = (folder / "var/otp.keys").read_text()
    assert "restart otp-grpc" in RELOAD
    with closing(open_store("sqlite:///var/otp.db")) as store:
        store.swap("n:1", None, encode(Ledger("+14155552671", last_send=1.0)), 3600.0)
    assert run(capsys, "keys", "rotate-codes") == (1, "", f"{OTHER_KEY}. {AS_SERVERS}\n")
    assert (folder / "var/otp.keys").read_text() == before


def test_a_key_of_codes_in_a_file_of_its_own(capsys: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As secrets of a container are, and settings win over the key file."""
    keyring.ensure(Settings())
    before = (folder / "var/otp.keys").read_text()
    (folder / "codes").write_text(f"a7:{keyring.new_secret()}\n")
    monkeypatch.setenv("OTP_SECRET_KEYS_FILE", "codes")
    assert run(capsys, "keys", "rotate-codes").status == 0
    assert set(parse_keys((folder / "codes").read_text().strip()).keys) == {"k1", "a7"}
    assert (folder / "var/otp.keys").read_text() == before
    (folder / "codes").write_text("nonsense\n")
    assert run(capsys, "keys", "rotate-codes").status == 1
    assert (folder / "codes").read_text() == "nonsense\n"


def test_without_keys_there_is_nothing_to_rotate(capsys: Any, folder: Path) -> None:
    assert run(capsys, "keys", "rotate-codes") == (1, "", f"{NONE.format('OTP_SECRET_KEYS')}\n")
    assert list(folder.iterdir()) == []
