"""`store`: move all records to another store."""

from __future__ import annotations

import argparse
import sys

from otp_app.cli.open_store import CannotDo, as_url, existing, exit_status, in_folder, whole
from otp_app.core.moving import Movable
from otp_app.core.store import ServerChecks
from otp_app.maintenance.copy import BATCH, copy_records, thaw
from otp_app.settings import keyring

LINE_UP = "\x1b[A"
MOVED = """\
The first store stays frozen. Now, on all servers:
- set OTP_STORE_URL to the second store{place};
- keep OTP_SECRET_KEYS and OTP_INDEX_KEY, or no code works. If they are not set, copy the two lines of the .keys file
  beside the SQLite database into the settings of all servers;
- restart. If OTP_STORE_URL is in .env or in a *_FILE, a reload is enough. Until then the servers answer 503."""

INTERRUPTED = "Interrupted. If servers still answer 503, run `store thaw` on the first store."


def describe(parser: argparse.ArgumentParser) -> None:
    """Add the commands."""
    store = parser.add_subparsers(required=True)
    copy = store.add_parser(
        "copy",
        help="copy all records and freeze the first store; servers answer 503 until they use the second store",
    )
    copy.add_argument("source", metavar="FROM", type=as_url, help="URL of the store in use; @FILE reads it from a file")
    copy.add_argument("target", metavar="TO", type=as_url, help="URL of an empty store; @FILE reads it from a file")
    copy.set_defaults(run=_copy)
    thaw = store.add_parser("thaw", help="unfreeze a store after an interrupted copy")
    thaw.add_argument("store", metavar="URL", type=as_url, help="URL of the store; @FILE reads it from a file")
    thaw.set_defaults(run=_thaw)


def _copy(args: argparse.Namespace) -> int:
    def work() -> None:
        source_url, target_url = existing("FROM", args.source), in_folder("TO", args.target)
        with whole("FROM", source_url) as source, whole("TO", target_url) as target:
            _look_at_server(target)
            copied = copy_records(source, target, _show_progress)
        file = keyring.database(target_url)
        print(f"Copied {copied} records.", MOVED.format(place=f", {file.absolute()}" if file else ""), sep="\n")

    return exit_status(work, INTERRUPTED)


def _thaw(args: argparse.Namespace) -> int:
    def work() -> None:
        with whole("URL", existing("URL", args.store)) as store:
            thaw(store)
        print("The store is usable again.")

    return exit_status(work, INTERRUPTED)


def _look_at_server(target: Movable) -> None:
    """Raise CannotDo if no server would start on the target, before anything is frozen; print its advice."""
    if isinstance(target, ServerChecks):
        if faults := target.faults():
            raise CannotDo("\n".join(f"TO: {line}" for line in faults))
        for line in target.advice():
            print(f"TO: {line}", file=sys.stderr)


def _show_progress(done: int, total: int) -> None:
    """Draw a progress bar over the last one in a terminal; elsewhere print a line for each tenth."""
    share = done / max(total, 1)
    says = f"{int(100 * share):3}%  {done} of {total}"
    if sys.stderr.isatty():
        print(f"{LINE_UP if done else ''}[{'#' * int(40 * share):<40}] {says}", file=sys.stderr, flush=True)
    elif int(10 * share) > int(10 * max(done - BATCH, 0) / max(total, 1)):
        print(says, file=sys.stderr, flush=True)
