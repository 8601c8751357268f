"""`keys`: create API keys, accounts and secrets of all kinds. Each secret is shown once and stored nowhere."""

from __future__ import annotations

import argparse
import base64
import getpass
import hashlib
import re
import secrets
import sys

from otp_app.core.codes import SID_DIGITS
from otp_app.proof import new_key
from otp_app.settings import keyring
from otp_app.settings.types import KEY_NAME, SCOPES

ACCOUNT = re.compile(f"AC{SID_DIGITS}")
TOKEN = re.compile("[A-Za-z0-9_-]+")
SECRET_LENGTH = 32  # as Twilio's tokens have; a shorter one could be found from its digest
ALONE = "A token has letters and digits only: pass it alone, in ASCII, without quotes and without a name before it"
LINE = "Add this line to the server's settings (separate several entries with commas, on one line):\n"


def describe(parser: argparse.ArgumentParser) -> None:
    """Add the commands."""
    keys = parser.add_subparsers(required=True)
    new = keys.add_parser("new", help="create an API key for a client; the key is shown once")
    new.add_argument("name", help="the name of the client, such as shop")
    scopes = f"what the key may do: {', '.join(SCOPES)} (default: %(default)s)"
    new.add_argument("--scopes", default="send,verify", help=scopes)
    new.set_defaults(run=_new_key)
    secret = keys.add_parser("secret", help="create OTP_SECRET_KEYS and OTP_INDEX_KEY")
    secret.set_defaults(run=_secret)
    account = keys.add_parser("account", help="create an account for a Twilio Verify client, instead of an API key")
    account.add_argument(
        "account", metavar="SID", nargs="?", help="an existing account; reads its token from standard input, hidden"
    )
    account.add_argument("--api-key", action="store_true", help="create an API key (SK) of the account, not a token")
    account.set_defaults(run=_account)
    proof = keys.add_parser("proof", help="create a key for OTP_PROOF_KEYS")
    proof.add_argument("--eddsa", action="store_true", help="Ed25519: its public half checks proofs (default: HS256)")
    proof.set_defaults(run=_proof)
    events = keys.add_parser("events", help="create a secret for OTP_EVENTS_SECRETS")
    events.set_defaults(run=_events)


def _new_key(args: argparse.Namespace) -> int:
    scopes = args.scopes.split(",")
    if unknown := sorted(set(scopes) - set(SCOPES)):
        return _refused(f"Unknown scope {unknown[0]!r}; use {', '.join(SCOPES)}")
    if not KEY_NAME.fullmatch(args.name):
        return _refused("A name must be 1 to 40 letters, digits, '_', '.' and '-', such as shop")
    key = f"otp_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}"
    print(f"API key for the client (it cannot be shown again):\n\n    {key}\n")
    print(LINE)
    print(f"    OTP_API_KEYS={args.name}:{'+'.join(scopes)}:{_digest(key)}")
    return 0


def _secret(_: argparse.Namespace) -> int:
    print(keyring.new_lines(), end="")
    return 0


def _account(args: argparse.Namespace) -> int:
    has_token = args.account is not None and not args.api_key
    user = f"AC{secrets.token_hex(16)}" if args.account is None else args.account
    if not ACCOUNT.fullmatch(user):
        return _refused("An account SID must be AC and 32 hex digits in lower case, as in Twilio's console")
    try:
        secret = _typed_token() if has_token else secrets.token_hex(SECRET_LENGTH // 2)
    except UnicodeDecodeError:
        return _refused(ALONE)
    if len(secret) < SECRET_LENGTH:
        return _refused(f"A token must have at least {SECRET_LENGTH} characters")
    if not TOKEN.fullmatch(secret):  # the digest would be of something that no client ever sends
        return _refused(ALONE)
    user += f"/SK{secrets.token_hex(16)}" if args.api_key else ""
    if not has_token:
        _show_account(user, secret)
    print(LINE)
    print(f"    OTP_VERIFY_ACCOUNTS={user}:{_digest(secret)}")
    return 0


def _typed_token() -> str:
    """Read the token from a terminal, hidden, or from a pipe."""
    typed = getpass.getpass("Auth token: ") if sys.stdin.isatty() else sys.stdin.readline()
    return typed.strip()


def _show_account(user: str, secret: str) -> None:
    account, _, key = user.partition("/")
    shown = {"Account SID:": account, "API key SID:": key, "API key secret:" if key else "Auth token:": secret}
    print("Account for the client (its secret cannot be shown again):\n")
    print(*(f"    {name:<16}{value}" for name, value in shown.items() if value), sep="\n", end="\n\n")


def _proof(args: argparse.Namespace) -> int:
    print(f"OTP_PROOF_KEYS={new_key('EdDSA' if args.eddsa else 'HS256')}")
    return 0


def _events(_: argparse.Namespace) -> int:
    print(f"OTP_EVENTS_SECRETS=whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}")
    return 0


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _refused(line: str) -> int:
    print(line, file=sys.stderr)
    return 2
