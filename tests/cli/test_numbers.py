"""`numbers`: block a number, and give it its limits back."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from otp_app.cli.open_store import AS_SERVERS, NO_KEYS, OTHER_KEY
from otp_app.core.ledger import Ledger
from otp_app.core.ledger_json import encode
from otp_app.core.moving import Item
from otp_app.settings import Settings, keyring
from otp_app.stores import open_store
from tests.command import run
from tests.running import KEYS, RunningServer

PHONE, BODY = "+14155552671", {"phone_number": "+14155552671"}


@pytest.mark.parametrize("kind", ["sqlite", "redis", "postgres"])
def test_a_number_is_blocked_beside_a_server(
    capsys: Any, monkeypatch: pytest.MonkeyPatch, server: Callable[..., RunningServer], new_store: Any, kind: str
) -> None:
    """It gets the refusal of a country that is not served, at once, until it is unblocked; a reset lets it send."""
    url = new_store(kind)
    running = server(store=url)
    monkeypatch.setenv("OTP_STORE_URL", url)
    for name, value in (KEYS if kind != "sqlite" else {}).items():
        monkeypatch.setenv(name, value)
    assert running.post("/send-otp", BODY).status == 200
    assert run(capsys, "numbers", "block", PHONE).output == "+1*******671 is blocked.\n"
    answer = running.post("/send-otp", BODY)
    assert (answer.status, answer.json["error_type"]) == (403, "country_not_allowed")
    assert run(capsys, "purge", "--days", "1", "--json").output.startswith('{"dry_run": false, "unused": 0, ')
    assert run(capsys, "numbers", "block", PHONE).output == "+1*******671 is blocked already.\n"
    assert run(capsys, "numbers", "unblock", PHONE).output == "+1*******671 is not blocked any more.\n"
    assert running.post("/send-otp", BODY).status == 429
    assert run(capsys, "numbers", "reset", PHONE).output == "+1*******671 has all its messages again.\n"
    assert running.post("/send-otp", BODY).status == 200


def test_records_of_another_key_are_not_touched(capsys: Any, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A block under another key would be seen by no server."""
    monkeypatch.setenv("OTP_STORE_URL", "sqlite:///otp.db")
    with closing(open_store("sqlite:///otp.db")) as store:
        store.load([Item("n:1", encode(Ledger(PHONE, last_send=1.0)), 3600.0)])  # type: ignore[attr-defined]
    assert run(capsys, "numbers", "block", PHONE).error.splitlines()[1].startswith("OTP_SECRET_KEYS: the key file ")
    (folder / "otp.keys").write_text(keyring.new_lines())
    (folder / "otp.keys").chmod(0o600)
    status, printed, error = run(capsys, "numbers", "block", PHONE)
    assert (status, printed, error.splitlines()[1:]) == (1, "", [f"{OTHER_KEY}. {AS_SERVERS}"])


@pytest.mark.parametrize("command", ["block", "unblock", "reset"])
@pytest.mark.parametrize("kind", ["redis", "postgres"])
@pytest.mark.parametrize("given", [(), ("OTP_SECRET_KEYS",), ("OTP_INDEX_KEY",)])
def test_without_the_keys_of_a_shared_store_nothing_is_written(
    capsys: Any, monkeypatch: pytest.MonkeyPatch, new_store: Any, kind: str, command: str, given: tuple[str, ...]
) -> None:
    """Under random keys no server would see it, and none would start beside it."""
    url = new_store(kind)
    monkeypatch.setenv("OTP_STORE_URL", url)
    for name in given:
        monkeypatch.setenv(name, KEYS[name])
    status, printed, error = run(capsys, "numbers", command, PHONE)
    assert (status, printed, error.splitlines()[1:]) == (1, "", [f"{NO_KEYS}. {AS_SERVERS}"])
    with closing(open_store(url)) as store:
        assert list(store.scan()) == []  # type: ignore[attr-defined]


def test_the_store_is_named_for_programs(capsys: Any, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("OTP_STORE_URL", "sqlite:///otp.db")
    with closing(open_store("sqlite:///otp.db")) as store:
        store.ping()
    keyring.ensure(Settings(otp_store_url="sqlite:///new.db"))
    (folder / "new.keys").rename("otp.keys")
    for command in (("numbers", "block", PHONE), ("purge",)):
        printed = json.loads(run(capsys, *command, "--json").output)
        assert printed["sources"] == {"store": {"url": f"sqlite:///{folder}/otp.db", "exists": True}}


def test_a_number_that_is_none_is_a_line(capsys: Any) -> None:
    status, _, error = run(capsys, "numbers", "block", "hello")
    assert (status, error.count("\n")) == (1, 1)
