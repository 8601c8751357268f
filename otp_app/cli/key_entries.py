"""`keys list`, `keys revoke`, `keys rotate` and `keys rotate-codes`: keys where they are set."""

from __future__ import annotations

import json
import os
import re
import sys

import click

from otp_app.cli.api_key import new_api_key
from otp_app.cli.command import CannotDo, Command, json_option, say, show_lines
from otp_app.cli.open_store import KEYS, NAMING, index_key, settings_of, whole
from otp_app.cli.setting_place import Place, place_of
from otp_app.core.codes import parse_keys
from otp_app.settings import keyring
from otp_app.settings.types import ApiKey, api_keys
from otp_app.web.client import digest_of

NAME, CODES = "OTP_API_KEYS", "OTP_SECRET_KEYS"
NONE = "{} is not set here: run this where the server reads its settings"
LAST = f"it is the last key, and {NAME} may not be empty: make another key first, or remove the setting by hand"
RELOAD = (
    "It takes effect when the servers reload: systemctl reload otp-app, or kill -HUP PID. A gRPC server and workers "
    "have to restart: systemctl restart otp-grpc"
)
THEN = "Pending codes keep the old key. Ten minutes after the reload: keys rotate-codes --drop-old"


@click.command("list", cls=Command, example="keys list")
@json_option("print a JSON object a line")
def list_(as_json: bool) -> None:
    """List the API keys that the settings have.

    Each has its name, its scopes and the first digits of its hash. The keys themselves are stored nowhere.
    """
    place, keys = _api_keys()
    rows = [{"name": key.name, "scopes": "+".join(sorted(key.scopes)), "sha256": key.digest[:8]} for key in keys]
    print(f"API keys in {place}: {len(rows)}.", file=sys.stderr)
    width = max((len(row["name"]) for row in rows), default=0)
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
    place = _replace(name, "")
    say(as_json, {"revoked": name, "file": str(place)}, f"Removed {name} from {place}.", RELOAD)


@click.command(cls=Command, example="keys rotate shop")
@click.argument("name")
@json_option()
def rotate(name: str, as_json: bool) -> None:
    """Give an API key another secret, with the same scopes.

    The command replaces the file as `keys revoke` does. The old key works until the servers reload, so give the client
    the new one first.
    """
    key = new_api_key()
    place = _replace(name, digest_of(key))
    lines = (f"New API key for {name} (it cannot be shown again):\n\n    {key}\n", f"Its hash is in {place}.", RELOAD)
    try:
        say(as_json, {"rotated": name, "key": key, "file": str(place)}, *lines)
        sys.stdout.flush()
    except OSError as error:  # a full disk, or a reader that has gone: nobody has the key
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would try again at its end
        changed, _ = _api_keys()
        changed.put(place.text)
        raise CannotDo(f"The new key cannot be shown, so the old one stays: {error.strerror}") from None


@click.command("rotate-codes", cls=Command, example="keys rotate-codes")
@click.option("--drop-old", is_flag=True, help="delete the old keys, ten minutes after the servers have a new one")
@json_option()
def rotate_codes(drop_old: bool, as_json: bool) -> None:
    """Put a new key for codes in front of the old ones.

    The command changes the key file beside the SQLite database, or the file that sets OTP_SECRET_KEYS. It replaces the
    file as `keys revoke` does. New codes use the new key, and pending codes keep theirs.
    """
    settings = settings_of(NAMING | KEYS)
    file = keyring.database(settings.otp_store_url)
    place = place_of(CODES, file.with_suffix(".keys") if file else None)
    if place is None:
        raise CannotDo(NONE.format(CODES))
    if file and file.exists() and place.file == file.with_suffix(".keys"):
        with whole("OTP_STORE_URL", settings.otp_store_url) as store:
            index_key(settings, store)  # or these are not the keys that the servers use
    entries = [entry.strip() for entry in place.text.split(",")]
    kept = entries[:1] if drop_old else [_next(entries), *entries]
    _require_codes(place._replace(text=",".join(kept)))
    place.put(",".join(kept))
    names = [entry.partition(":")[0] for entry in kept]
    line = f"Keys of codes in {place}: {', '.join(names)}."
    say(as_json, {"keys": names, "file": str(place)}, line, RELOAD, *([] if drop_old else [THEN]))


def _next(entries: list[str]) -> str:
    """Return an entry with a new key. Its name is above the others: one that was dropped may still be in a record."""
    numbers = [int(match[1]) for entry in entries if (match := re.match("k([0-9]{1,9}):", entry))]
    return f"k{max(numbers, default=0) + 1}:{keyring.new_secret()}"


def _require_codes(place: Place) -> None:
    try:
        parse_keys(place.text)
    except ValueError as error:
        raise CannotDo(f"{place}: {CODES}: {error}") from None


def _api_keys() -> tuple[Place, tuple[ApiKey, ...]]:
    place = place_of(NAME)
    if place is None:
        raise CannotDo(NONE.format(NAME))
    return place, _read(place)


def _read(place: Place) -> tuple[ApiKey, ...]:
    try:
        return api_keys(place.text)
    except ValueError as error:
        raise CannotDo(f"{NAME}: {error}") from None


def _replace(name: str, new_digest: str) -> Place:
    """Give an entry another digest, or remove it where that is empty; return where it is. Raises CannotDo."""
    place, keys = _api_keys()
    found = next((key for key in keys if key.name == name), None)
    if found is None:
        raise CannotDo(f"{place} has no key {name}: it has {', '.join(key.name for key in keys)}")
    if place.file and not new_digest and len(keys) == 1:
        raise CannotDo(LAST)
    entries = [entry.strip() for entry in place.text.split(",") if entry.strip()]
    old = next(entry for entry in entries if entry.endswith(f":{found.digest}"))
    new = [old.replace(found.digest, new_digest)] if new_digest else []
    kept = ",".join(one for entry in entries for one in (new if entry == old else [entry]))
    if place.file:
        _read(place._replace(text=kept))  # what would not be understood is not written
    place.put(kept)
    return place
