"""The command line: make keys, check the settings."""

from __future__ import annotations

import argparse
import hashlib
import secrets
import sys
from collections.abc import Sequence

from otp_app import keyring
from otp_app.core.errors import OtpError
from otp_app.setting_types import KEY_NAME, SCOPES
from otp_app.startup import BadSettings, advice, load, prepare


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    args = _parser().parse_args(argv)
    return int(args.run(args))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m otp_app", description="A server of one-time codes: its tools.")
    commands = parser.add_subparsers(required=True)
    check = commands.add_parser("check", help="say whether the server would start with these settings")
    check.set_defaults(run=_check)
    keys = commands.add_parser("keys", help="make keys").add_subparsers(required=True)
    new = keys.add_parser("new", help="make an API key for a caller; it is shown this once")
    new.add_argument("name", help="who will use it, such as shop")
    new.add_argument("--scopes", default="send,verify", help=f"what it may do, of {','.join(SCOPES)}")
    new.set_defaults(run=_new_key)
    secret = keys.add_parser("secret", help="make the secret keys of codes and of the index")
    secret.set_defaults(run=_secret)
    return parser


def _check(_: argparse.Namespace) -> int:
    try:
        settings = load()
        prepare(settings)
    except BadSettings as error:
        print(*error.faults, sep="\n", file=sys.stderr)
        return 1
    except OtpError as error:
        print(f"OTP_STORE_URL: {error}", file=sys.stderr)
        return 1
    print(*advice(settings), "The settings are in order.", sep="\n")
    return 0


def _new_key(args: argparse.Namespace) -> int:
    scopes = args.scopes.split(",")
    if unknown := sorted(set(scopes) - set(SCOPES)):
        print(f"There is no scope {unknown[0]!r}; choose of {', '.join(SCOPES)}", file=sys.stderr)
        return 2
    if not KEY_NAME.fullmatch(args.name):
        print("A name is 1 to 40 letters, digits, '_', '.' and '-'", file=sys.stderr)
        return 2
    key = f"otp_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}"
    print(f"The key, for the caller (it cannot be shown again):\n\n    {key}\n")
    print("Its line for the server's settings; several go on one line with commas between:\n")
    print(f"    OTP_API_KEYS={args.name}:{'+'.join(scopes)}:{hashlib.sha256(key.encode()).hexdigest()}")
    return 0


def _secret(_: argparse.Namespace) -> int:
    print(keyring.new_lines(), end="")
    return 0
