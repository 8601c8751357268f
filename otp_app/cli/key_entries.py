"""`keys list`, `keys revoke` and `keys rotate`: the entries of OTP_API_KEYS, where they are set."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

import click

from otp_app.cli.api_key import digest, new_api_key
from otp_app.cli.command import CannotDo, Command, json_option, say, show_lines
from otp_app.cli.rewriting import rewrite
from otp_app.settings.env_file import FileFault, read_lines, read_text
from otp_app.settings.types import ApiKey, api_keys

NAME, NAME_FILE = "OTP_API_KEYS", "OTP_API_KEYS_FILE"
ENV = Path(".env")
NONE = f"{NAME} is not set here: run this where the server reads its settings"
IN_ENVIRONMENT = f"{NAME} is set in the environment, which a command cannot change: change the entry there"
LAST = f"it is the last key, and {NAME} may not be empty: make another key first, or remove the setting by hand"
RELOAD = "It takes effect when the servers reload: systemctl reload otp-app, or kill -HUP PID"


class Place(NamedTuple):
    """Where the entries are, and what they say; `file` is None for the environment."""

    file: Path | None
    entries: str

    def read(self) -> tuple[ApiKey, ...]:
        """Return the keys. Raises CannotDo."""
        try:
            return api_keys(self.entries)
        except ValueError as error:
            raise CannotDo(f"{NAME}: {error}") from None

    def name(self) -> str:
        """Return what to call it."""
        return str(self.file) if self.file else "the environment"


@click.command("list", cls=Command, example="keys list")
@json_option("print a JSON object a line")
def list_(as_json: bool) -> None:
    """List the API keys that the settings have.

    Each has its name, its scopes and the first digits of its hash. The keys themselves are stored nowhere.
    """
    place = _place()
    rows = [
        {"name": key.name, "scopes": "+".join(sorted(key.scopes)), "sha256": key.digest[:8]} for key in place.read()
    ]
    print(f"API keys in {place.name()}: {len(rows)}.", file=sys.stderr)
    width = max(len(row["name"]) for row in rows)
    show_lines([
        json.dumps(row) if as_json else f"{row['name']:<{width}}  {row['sha256']}  {row['scopes']}" for row in rows
    ])


@click.command(cls=Command, example="keys revoke shop")
@click.argument("name")
@json_option()
def revoke(name: str, as_json: bool) -> None:
    """Remove an API key from the settings.

    The file of OTP_API_KEYS_FILE, or `.env`, is replaced as a whole, with the same owner and mode; its other lines stay
    as they are. The key works until the servers reload.
    """
    place = _place()
    _replace(place, name, "")
    say(as_json, {"revoked": name, "file": place.name()}, f"Removed {name} from {place.name()}.", RELOAD)


@click.command(cls=Command, example="keys rotate shop")
@click.argument("name")
@json_option()
def rotate(name: str, as_json: bool) -> None:
    """Give an API key another secret, with the same scopes.

    The file is replaced as by `keys revoke`. The old key works until the servers reload: give the new one to the client
    first.
    """
    place = _place()
    key = new_api_key()
    _replace(place, name, digest(key))
    lines = (f"New API key for {name} (it cannot be shown again):\n\n    {key}\n", f"Its hash is in {place.name()}.")
    say(as_json, {"rotated": name, "key": key, "file": place.name()}, *lines, RELOAD)


def _place() -> Place:
    """Return where the entries are, as the server finds them. Raises CannotDo."""
    try:
        lines = read_lines(ENV)
        if lines.faults:
            raise CannotDo("\n".join(f"{ENV}: {line}" for line in lines.faults))
        for source in (os.environ, lines.values):
            if entries := source.get(NAME, "").strip():
                return Place(ENV if source is lines.values else None, entries)
            if path := source.get(NAME_FILE):
                return Place(Path(path), read_text(Path(path)).strip())
    except FileFault as error:
        raise CannotDo(f"{NAME}: {error}") from None
    raise CannotDo(NONE)


def _replace(place: Place, name: str, new_digest: str) -> None:
    """Give an entry another digest, or remove it where that is empty. Raises CannotDo."""
    keys = place.read()
    found = next((key for key in keys if key.name == name), None)
    if found is None:
        raise CannotDo(f"{place.name()} has no key {name}: it has {', '.join(key.name for key in keys)}")
    if place.file is None:
        raise CannotDo(IN_ENVIRONMENT)
    if not new_digest and len(keys) == 1:
        raise CannotDo(LAST)
    entries = [entry.strip() for entry in place.entries.split(",") if entry.strip()]
    old = next(entry for entry in entries if entry.endswith(f":{found.digest}"))
    new = [old.replace(found.digest, new_digest)] if new_digest else []
    kept = ",".join(one for entry in entries for one in (new if entry == old else [entry]))
    place._replace(entries=kept).read()  # what would not be understood is not written
    text = read_text(place.file)
    rewrite(place.file, text, _with(place, text, kept))


def _with(place: Place, text: str, entries: str) -> str:
    """Return the text of the file with these entries instead. Raises CannotDo where that is not clear."""
    if place.file != ENV:
        return text.replace(place.entries, entries)
    lines = text.splitlines(keepends=True)
    number = read_lines(ENV).numbers[NAME] - 1
    if lines[number].count(place.entries) != 1:
        raise CannotDo(f"{ENV}: line {number + 1} is written in a way that this command does not change: edit it")
    lines[number] = lines[number].replace(place.entries, entries)
    return "".join(lines)
