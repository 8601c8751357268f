"""`keys`: create API keys, accounts and secrets of all kinds. Each secret is shown once and stored nowhere."""

from __future__ import annotations

import base64
import getpass
import re
import secrets
import sys

import click

from otp_app.cli import key_entries
from otp_app.cli.api_key import new_api_key
from otp_app.cli.command import MISUSED, CannotDo, Family, json_option, say
from otp_app.core.codes import SID_DIGITS
from otp_app.proof import new_key
from otp_app.settings import keyring
from otp_app.settings.types import KEY_NAME, SCOPES
from otp_app.web.client import digest_of

ACCOUNT = re.compile(f"AC{SID_DIGITS}")
TOKEN = re.compile("[A-Za-z0-9_-]+")
SECRET_LENGTH = 32  # as Twilio's tokens have; a shorter one could be found from its digest
ALONE = "A token has letters and digits only: pass it alone, in ASCII, without quotes and without a name before it"
LINE = "Add this line to the server's settings (separate several entries with commas, on one line):\n"


@click.group(cls=Family)
def keys() -> None:
    """Create, list, revoke and rotate keys."""


for command in (key_entries.list_, key_entries.revoke, key_entries.rotate, key_entries.rotate_codes):
    keys.add_command(command)


@keys.command(example="keys new shop --scopes send,verify")
@click.argument("name")
@click.option("--scopes", default="send,verify", show_default=True, help=f"what the key may do: {', '.join(SCOPES)}")
@json_option()
def new(name: str, scopes: str, as_json: bool) -> None:
    """Create an API key for a client; it is shown once.

    NAME is the name of the client, such as shop.
    """
    asked = scopes.split(",")
    if unknown := sorted(set(asked) - set(SCOPES)):
        raise CannotDo(f"Unknown scope {unknown[0]!r}; use {', '.join(SCOPES)}", MISUSED)
    if not KEY_NAME.fullmatch(name):
        raise CannotDo("A name must be 1 to 40 letters, digits, '_', '.' and '-', such as shop", MISUSED)
    key = new_api_key()
    entry = f"{name}:{'+'.join(asked)}:{digest_of(key)}"
    lines = (f"API key for the client (it cannot be shown again):\n\n    {key}\n", LINE, f"    OTP_API_KEYS={entry}")
    say(as_json, {"key": key, "OTP_API_KEYS": entry}, *lines)


@keys.command(example="keys secret")
@json_option()
def secret(as_json: bool) -> None:
    """Create OTP_SECRET_KEYS and OTP_INDEX_KEY."""
    lines = keyring.new_lines().splitlines()
    say(as_json, dict(line.split("=", 1) for line in lines), *lines)


@keys.command(example="keys account")
@click.argument("sid", metavar="[SID]", required=False)
@click.option("--api-key", is_flag=True, help="create an API key (SK) for the account instead of a token")
@json_option()
def account(sid: str | None, api_key: bool, as_json: bool) -> None:
    """Create an account for a Twilio Verify client.

    The client uses it instead of an API key. SID is the account that the client has at Twilio; the command reads its
    token from standard input, hidden.
    """
    has_token = sid is not None and not api_key
    user = f"AC{secrets.token_hex(16)}" if sid is None else sid
    if not ACCOUNT.fullmatch(user):
        raise CannotDo("An account SID must be AC and 32 hex digits in lower case, as in Twilio's console", MISUSED)
    token = _typed_token() if has_token else secrets.token_hex(SECRET_LENGTH // 2)
    user += f"/SK{secrets.token_hex(16)}" if api_key else ""
    entry = f"{user}:{digest_of(token)}"
    lines = ([] if has_token else _account_lines(user, token)) + [LINE, f"    OTP_VERIFY_ACCOUNTS={entry}"]
    made = {} if has_token else {"user": user.rpartition("/")[2], "secret": token}
    say(as_json, {**made, "OTP_VERIFY_ACCOUNTS": entry}, *lines)


@keys.command(example="keys proof --eddsa")
@click.option("--eddsa", is_flag=True, help="make an Ed25519 key, whose public key checks proofs (default: HS256)")
@json_option()
def proof(eddsa: bool, as_json: bool) -> None:
    """Create a key for OTP_PROOF_KEYS."""
    entry = new_key("EdDSA" if eddsa else "HS256")
    say(as_json, {"OTP_PROOF_KEYS": entry}, f"OTP_PROOF_KEYS={entry}")


@keys.command(example="keys events")
@json_option()
def events(as_json: bool) -> None:
    """Create a secret for OTP_EVENTS_SECRETS."""
    entry = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    say(as_json, {"OTP_EVENTS_SECRETS": entry}, f"OTP_EVENTS_SECRETS={entry}")


def _typed_token() -> str:
    """Read the token from a terminal, hidden, or from a pipe. Raises CannotDo."""
    try:
        typed = getpass.getpass("Auth token: ") if sys.stdin.isatty() else sys.stdin.readline()
    except UnicodeDecodeError:
        raise CannotDo(ALONE, MISUSED) from None
    token = typed.strip()
    if len(token) < SECRET_LENGTH:
        raise CannotDo(f"A token must have at least {SECRET_LENGTH} characters", MISUSED)
    if not TOKEN.fullmatch(token):  # the digest would be of something that no client ever sends
        raise CannotDo(ALONE, MISUSED)
    return token


def _account_lines(user: str, secret: str) -> list[str]:
    account, _, key = user.partition("/")
    shown = {"Account SID:": account, "API key SID:": key, "API key secret:" if key else "Auth token:": secret}
    rows = [f"    {name:<16}{value}" for name, value in shown.items() if value]
    return ["Account for the client (its secret cannot be shown again):\n", *rows, ""]
