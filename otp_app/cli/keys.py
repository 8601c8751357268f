"""`keys`: making what callers and the server prove themselves with. What is made is shown once and kept nowhere."""

from __future__ import annotations

import argparse
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
SECRET_LENGTH = 32  # as Twilio's tokens have; a shorter one could be found from its digest
LINE = "Its line for the server's settings; several go on one line with commas between:\n"


def describe(parser: argparse.ArgumentParser) -> None:
    """Add the commands."""
    keys = parser.add_subparsers(required=True)
    new = keys.add_parser("new", help="make an API key for a caller; it is shown this once")
    new.add_argument("name", help="who will use it, such as shop")
    new.add_argument("--scopes", default="send,verify", help=f"what it may do, of {','.join(SCOPES)}")
    new.set_defaults(run=_new_key)
    secret = keys.add_parser("secret", help="make the secret keys of codes and of the index")
    secret.set_defaults(run=_secret)
    account = keys.add_parser("account", help="make an account for a caller that speaks to Twilio Verify")
    account.add_argument(
        "account", metavar="AC", nargs="?", help="an account it has: its token is read from standard input, unseen"
    )
    account.add_argument("--api-key", action="store_true", help="make an API key (SK) of the account, not a token")
    account.set_defaults(run=_account)
    proof = keys.add_parser("proof", help="make a key that signs proofs of an approval")
    proof.add_argument("--eddsa", action="store_true", help="one whose public half lets others check them")
    proof.set_defaults(run=_proof)


def _new_key(args: argparse.Namespace) -> int:
    scopes = args.scopes.split(",")
    if unknown := sorted(set(scopes) - set(SCOPES)):
        return _refused(f"There is no scope {unknown[0]!r}; choose of {', '.join(SCOPES)}")
    if not KEY_NAME.fullmatch(args.name):
        return _refused("A name is 1 to 40 letters, digits, '_', '.' and '-'")
    key = f"otp_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}"
    print(f"The key, for the caller (it cannot be shown again):\n\n    {key}\n")
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
        return _refused("An account is AC and 32 hex digits in lower case, as Twilio shows it")
    secret = _typed_token() if has_token else secrets.token_hex(SECRET_LENGTH // 2)
    if len(secret) < SECRET_LENGTH:
        return _refused(f"A token has {SECRET_LENGTH} characters or more")
    user += f"/SK{secrets.token_hex(16)}" if args.api_key else ""
    if not has_token:
        _show_account(user, secret)
    print(LINE)
    print(f"    OTP_VERIFY_ACCOUNTS={user}:{_digest(secret)}")
    return 0


def _typed_token() -> str:
    """Read it from a terminal, which does not show it, or from a pipe."""
    typed = getpass.getpass("Auth token: ") if sys.stdin.isatty() else sys.stdin.readline()
    return typed.strip()


def _show_account(user: str, secret: str) -> None:
    account, _, key = user.partition("/")
    shown = {"Account SID:": account, "API key SID:": key, "API key secret:" if key else "Auth token:": secret}
    print("The account, for the caller (its secret cannot be shown again):\n")
    print(*(f"    {name:<16}{value}" for name, value in shown.items() if value), sep="\n", end="\n\n")


def _proof(args: argparse.Namespace) -> int:
    print(f"OTP_PROOF_KEYS={new_key('EdDSA' if args.eddsa else 'HS256')}")
    return 0


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _refused(line: str) -> int:
    print(line, file=sys.stderr)
    return 2
