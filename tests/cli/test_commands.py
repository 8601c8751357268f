"""What holds for every command: its page, its example, `--json`, and completion."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import pytest

from otp_app.cli import reference
from otp_app.core.codes import LedgerIds
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Verification
from otp_app.core.ledger_json import encode
from otp_app.core.moving import Item
from otp_app.history.database import open_database
from otp_app.settings import Settings, keyring
from otp_app.stores import open_store
from tests.cli.served import listening
from tests.command import run
from tests.conftest import require
from tests.running import ROOT
from tests.web.site import Site

ALL = {context.command_path.removeprefix("otp-app "): command for context, command in reference.commands()}
EXAMPLES = {name: command.example for name, command in ALL.items() if getattr(command, "example", "")}
#: they run until they are asked to end: of their examples only the words are looked at
SERVING = {"serve", "worker", "grpc"} & set(ALL)
PHONE = "+14155552671"
LISTED = f"VE{7:032x}"
OLD_USERS = """
CREATE TABLE users (phone_number text, is_verified boolean);
CREATE TABLE user_activity (phone_number text, event_type text, event_time timestamp);
"""


def test_the_page_of_commands_is_made_from_them() -> None:
    """`python -m otp_app.cli.reference` writes it."""
    shown = (ROOT / reference.DOCUMENT).read_text(encoding="utf-8")
    assert reference.document(shown) == shown


def test_every_command_has_an_example() -> None:
    commands = {name for name, command in ALL.items() if not isinstance(command, click.Group)}
    assert commands - EXAMPLES.keys() == set()


@pytest.fixture
def world(folder: Path, monkeypatch: pytest.MonkeyPatch, open_site: Callable[..., Site]) -> Iterator[Site]:
    """What examples speak of: a store with a number, files, and a server that was asked for a code."""
    (folder / "var").mkdir(mode=0o700)
    (folder / "var/otp.keys").write_text(keyring.new_lines())
    (folder / "var/otp.keys").chmod(0o600)
    ids = LedgerIds(keyring.keys(Settings())[1], os.urandom)
    (folder / "users.csv").write_text("user_id,phone_number\nann,+14155552671\n")
    (folder / "new_url.txt").write_text("sqlite:///var/new.db\n")
    (folder / "templates.toml").write_text('[order_shipped]\nsms = "Your order {number} is on its way."\n')
    with closing(sqlite3.connect(folder / "old.db")) as db:
        db.executescript(OLD_USERS)
    pending = Verification(LISTED, "login", "k1", 6, Instant(time.time(), "", 0.0), 300.0)
    monkeypatch.setenv("OTP_STORE_URL", "sqlite:///var/otp.db")
    with closing(open_store("sqlite:///var/otp.db")) as store:
        store.load([Item(ids.ledger(PHONE), encode(Ledger(PHONE, (pending,))), 3600.0)])  # type: ignore[attr-defined]
    with closing(open_database("sqlite:///var/otp-history.db")) as database, database.writing():
        pass  # which makes it
    keys = ",".join(f"{name}:send:{hashlib.sha256(name.encode()).hexdigest()}" for name in ("shop", "till"))
    (folder / ".env").write_text(f"OTP_API_KEYS={keys}\n")
    (folder / ".env").chmod(0o600)
    monkeypatch.setenv("OTP_CHANNELS", "tests.web.site:RecordingChannel")
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{folder}/accounts.db")
    site = open_site(otp_templates_file="templates.toml")
    with listening(site.app, monkeypatch):
        yield site


def filled_in(site: Site, name: str) -> list[str]:
    """The words of an example, with a code and an id of the server where it has some."""
    if name not in ("verify", "verifications cancel"):
        return shlex.split(EXAMPLES[name])
    sent = site.send(PHONE).json
    meant = {"123456": site.channel.messages[-1].code, f"VE{'0123456789abcdef' * 2}": sent["verification_id"]}
    return [meant.get(word, word) for word in shlex.split(EXAMPLES[name])]


@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - SERVING))
def test_an_example_works_as_it_stands(capsys: Any, world: Site, name: str) -> None:
    """But for the code, which is another one each time, and the id."""
    ended = run(capsys, *filled_in(world, name))
    assert ended.status == 0, ended
    assert EXAMPLES[name].startswith(name)


@pytest.mark.parametrize("name", sorted(SERVING))
def test_the_example_of_what_serves_is_understood(name: str) -> None:
    ALL[name].make_context(name, shlex.split(EXAMPLES[name])[1:])


@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - SERVING))
def test_programs_can_read_what_every_command_prints(capsys: Any, world: Site, name: str) -> None:
    """An object, or one a line."""
    ended = run(capsys, *filled_in(world, name), *([] if "--json" in EXAMPLES[name] else ["--json"]))
    assert ended.status == 0, ended
    assert all(isinstance(json.loads(line), dict) for line in ended.output.splitlines())


#: those that only look, with what they need beside their names
LOOKING = {
    "check": (), "doctor": (), "events dead": (), "export": (PHONE,), "keys list": (), "keys secret": (),
    "users check": ("users.csv",), "verifications": (), "verifications list": (),
    "verifications show": ("--number", PHONE), "purge": ("--dry-run",), "backup": ("copy.db",), "send": (PHONE,),
    "store thaw": ("sqlite:///otp.db",), "erase": (PHONE, "--yes"), "numbers block": (PHONE,), "keys revoke": ("shop",),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOKING)
def test_an_empty_folder_stays_empty(capsys: Any, folder: Path, name: str) -> None:
    """Files that a command makes are its caller's, and the server's user could not write them."""
    ended = run(capsys, *name.split(), *LOOKING[name])
    assert ended.status in (0, 1)
    assert list(folder.iterdir()) == []


# ---- completion

@pytest.fixture
def program(folder: Path) -> dict[str, str]:
    """An environment with a program `otp-app`, as pip makes it."""
    path = folder / "bin" / "otp-app"
    path.parent.mkdir()
    path.write_text(f"#!{sys.executable}\nimport sys\nfrom otp_app.cli import main\nsys.exit(main())\n")
    path.chmod(0o755)
    return {"PATH": f"{path.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HOME": str(folder)}


def printed(command: list[str], environment: dict[str, str]) -> list[str]:
    """The lines that a shell prints."""
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stderr == ""
    return ended.stdout.splitlines()


COMPLETED = [("otp-app verif", "verifications"), ("otp-app keys ne", "new"), ("otp-app purge --dr", "--dry-run"),
             ("otp-app verifications list --status pen", "pending")]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("line", "word"), COMPLETED)
def test_bash_completes(program: dict[str, str], line: str, word: str) -> None:
    words = line.split()
    script = f"""
    eval "$(_OTP_APP_COMPLETE=bash_source otp-app)"
    COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _otp_app_completion otp-app; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    assert word in printed([require("bash"), "--norc", "-c", script], program)


@pytest.mark.slow
@pytest.mark.parametrize(("line", "word"), COMPLETED)
def test_fish_completes(program: dict[str, str], line: str, word: str) -> None:
    script = f"_OTP_APP_COMPLETE=fish_source otp-app | source; complete -C '{line}'"
    assert word in [found.partition("\t")[0] for found in printed([require("fish"), "-c", script], program)]


@pytest.mark.slow
@pytest.mark.parametrize(("line", "word"), COMPLETED)
def test_zsh_completes(program: dict[str, str], line: str, word: str) -> None:
    """Its function is called with stand-ins for what only works at a prompt."""
    words = line.split()
    script = f"""
    compdef() {{ : }}
    compadd() {{ print -l -- "${{(@P)argv[-1]}}" }}
    _describe() {{ print -l -- "${{(@P)3}}" }}
    eval "$(_OTP_APP_COMPLETE=zsh_source otp-app)"
    words=({line}); CURRENT={len(words)}; _otp_app_completion
    """
    assert word in [found.partition(":")[0] for found in printed([require("zsh"), "-f", "-c", script], program)]
