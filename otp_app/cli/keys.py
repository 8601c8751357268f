"""`keys`: create API keys, accounts and secrets of all kinds. Each secret is shown once and stored nowhere."""

from __future__ import annotations

import base64
import getpass
import hashlib
import re
import secrets
import sys

import click

from otp_app.cli.command import MISUSED, CannotDo, Family
from otp_app.core.codes import SID_DIGITS
from otp_app.proof import new_key
from otp_app.settings import keyring
from otp_app.settings.types import KEY_NAME, SCOPES

ACCOUNT = re.compile(f"AC{SID_DIGITS}")
TOKEN = re.compile("[A-Za-z0-9_-]+")
SECRET_LENGTH = 32  # as Twilio's tokens have; a shorter one could be found from its digest
ALONE = "A token has letters and digits only: pass it alone, in ASCII, without quotes and without a name before it"
LINE = "Add this line to the server's settings (separate several entries with commas, on one line):\n"


@click.group(cls=Family)
def keys() -> None:
    """Create API keys, accounts and secret keys."""


@keys.command(example="keys new shop --scopes send,verify")
@click.argument("name")
@click.option("--scopes", default="send,verify", show_default=True, help=f"what the key may do: {', '.join(SCOPES)}")
def new(name: str, scopes: str) -> None:
    """Create an API key for a client; it is shown once.

    NAME is that of the client, such as shop.
    """
    asked = scopes.split(",")
    if unknown := sorted(set(asked) - set(SCOPES)):
        raise CannotDo(f"Unknown scope {unknown[0]!r}; use {', '.join(SCOPES)}", MISUSED)
    if not KEY_NAME.fullmatch(name):
        raise CannotDo("A name must be 1 to 40 letters, digits, '_', '.' and '-', such as shop", MISUSED)
    key = f"otp_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}"
    print(f"API key for the client (it cannot be shown again):\n\n    {key}\n")
    print(LINE)
    print(f"    OTP_API_KEYS={name}:{'+'.join(asked)}:{_digest(key)}")


@keys.command(example="keys secret")
def secret() -> None:
    """Create OTP_SECRET_KEYS and OTP_INDEX_KEY."""
    print(keyring.new_lines(), end="")


@keys.command(example="keys account")
@click.argument("sid", metavar="[SID]", required=False)
@click.option("--api-key", is_flag=True, help="create an API key (SK) of the account, not a token")
def account(sid: str | None, api_key: bool) -> None:
    """Create an account for a Twilio Verify client.

    It gets this instead of an API key. SID is an existing account; its token is read from standard input, hidden.
    """
    has_token = sid is not None and not api_key
    user = f"AC{secrets.token_hex(16)}" if sid is None else sid
    if not ACCOUNT.fullmatch(user):
        raise CannotDo("An account SID must be AC and 32 hex digits in lower case, as in Twilio's console", MISUSED)
    token = _typed_token() if has_token else secrets.token_hex(SECRET_LENGTH // 2)
    user += f"/SK{secrets.token_hex(16)}" if api_key else ""
    if not has_token:
        _show_account(user, token)
    print(LINE)
    print(f"    OTP_VERIFY_ACCOUNTS={user}:{_digest(token)}")


@keys.command(example="keys proof --eddsa")
@click.option("--eddsa", is_flag=True, help="Ed25519: its public half checks proofs (default: HS256)")
def proof(eddsa: bool) -> None:
    """Create a key for OTP_PROOF_KEYS."""
    print(f"OTP_PROOF_KEYS={new_key('EdDSA' if eddsa else 'HS256')}")


@keys.command(example="keys events")
def events() -> None:
    """Create a secret for OTP_EVENTS_SECRETS."""
    print(f"OTP_EVENTS_SECRETS=whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}")


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


def _show_account(user: str, secret: str) -> None:
    account, _, key = user.partition("/")
    shown = {"Account SID:": account, "API key SID:": key, "API key secret:" if key else "Auth token:": secret}
    print("Account for the client (its secret cannot be shown again):\n")
    print(*(f"    {name:<16}{value}" for name, value in shown.items() if value), sep="\n", end="\n\n")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
