"""The command line: make keys, check the settings, move a store."""

from __future__ import annotations

import argparse
import hashlib
import logging
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from otp_app import keyring, moving
from otp_app.core.errors import OtpError, StoreUnavailable
from otp_app.core.interfaces import Advising, Movable
from otp_app.setting_types import KEY_NAME, SCOPES
from otp_app.startup import BadSettings, advice, load, prepare
from otp_app.store import open_store

LINE_UP = "\x1b[A"
MOVED = """\
The first store is frozen for good. Now, on all servers:
- set OTP_STORE_URL to the second store;
- keep OTP_SECRET_KEYS and OTP_INDEX_KEY, or no code works. Where they were not set, the server made its own: put the
  two lines of the .keys file beside its SQLite database into the settings of all servers;
- restart; where OTP_STORE_URL is in .env or in a *_FILE, a reload will do. Until then they answer 503."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    args = _parser().parse_args(argv)
    logging.getLogger("psycopg.pool").addHandler(logging.NullHandler())  # a command's error is one line, its own
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
    store = commands.add_parser("store", help="move records to another store").add_subparsers(required=True)
    copy = store.add_parser(
        "copy",
        help="copy all records; the first store is frozen then, and servers answer 503 until they use the second",
    )
    copy.add_argument("source", metavar="FROM", type=_url, help="URL of the store in use; @FILE reads it from a file")
    copy.add_argument("target", metavar="TO", type=_url, help="URL of an empty store; @FILE reads it from a file")
    copy.set_defaults(run=_copy)
    thaw = store.add_parser("thaw", help="use a store again whose copy was given up")
    thaw.add_argument("store", metavar="URL", type=_url, help="URL of the store; @FILE reads it from a file")
    thaw.set_defaults(run=_thaw)
    return parser


def _check(_: argparse.Namespace) -> int:
    try:
        settings = load()
        lines = prepare(settings)
    except BadSettings as error:
        print(*error.faults, sep="\n", file=sys.stderr)
        return 1
    except OtpError as error:
        print(f"OTP_STORE_URL: {error}", file=sys.stderr)
        return 1
    print(*advice(settings), *lines, "The settings are in order.", sep="\n")
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


def _url(text: str) -> str:
    """Return a URL that was given as it is or, so that nobody sees its password, in a file."""
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise argparse.ArgumentTypeError(f"the file {text[1:]} cannot be read ({type(error).__name__})") from None


def _copy(args: argparse.Namespace) -> int:
    def work() -> None:
        with _movable("FROM", _existing("FROM", args.source)) as source, _movable("TO", args.target) as target:
            _look_at_server(target)
            copied = moving.copy(source, target, _show_progress)
        print(f"Copied {copied} records.", MOVED, sep="\n")

    return _moving(work)


def _thaw(args: argparse.Namespace) -> int:
    def work() -> None:
        with _movable("URL", _existing("URL", args.store)) as store:
            moving.thaw(store)
        print("The store can be used again.")

    return _moving(work)


def _moving(work: Callable[[], None]) -> int:
    """Do it; say in one line what stands against it."""
    try:
        work()
    except (moving.CannotMove, StoreUnavailable) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Given up. Should servers still answer 503, `store thaw` the first store.", file=sys.stderr)
        return 130
    return 0


@contextmanager
def _movable(name: str, url: str) -> Iterator[Movable]:
    """Open the store of an argument, and see that it can be reached and moved."""
    try:
        opened = open_store(url)
    except ValueError as error:
        raise moving.CannotMove(f"{name}: {error}") from None
    with closing(opened) as store:
        if not isinstance(store, Movable):
            raise moving.CannotMove(f"{name}: this store cannot be moved: use sqlite, redis or postgresql")
        try:
            store.frozen()
        except StoreUnavailable as error:
            raise moving.CannotMove(f"{name}: {error}") from error
        yield store


def _existing(name: str, url: str) -> str:
    """Return the URL, unless opening it would make the file."""
    if (file := keyring.database(url)) and not file.exists():
        raise moving.CannotMove(f"{name}: there is no file {file}")
    return url


def _look_at_server(target: Movable) -> None:
    """Refuse to move to where no server would start, before anything is frozen; show what could be better."""
    if isinstance(target, Advising):
        if refusals := target.refusals():
            raise moving.CannotMove("\n".join(f"TO: {line}" for line in refusals))
        for line in target.advice():
            print(f"TO: {line}", file=sys.stderr)


def _show_progress(done: int, total: int) -> None:
    """Draw a bar on a terminal, each time over the last one; elsewhere print a line for each tenth."""
    share = done / max(total, 1)
    says = f"{int(100 * share):3}%  {done} of {total}"
    if sys.stderr.isatty():
        print(f"{LINE_UP if done else ''}[{'#' * int(40 * share):<40}] {says}", file=sys.stderr, flush=True)
    elif int(10 * share) > int(10 * max(done - moving.BATCH, 0) / max(total, 1)):
        print(says, file=sys.stderr, flush=True)
