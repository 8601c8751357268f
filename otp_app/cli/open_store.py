"""Opening a store for a command; whatever stands against it is told in words."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from otp_app.core.errors import StoreUnavailable
from otp_app.core.moving import Movable
from otp_app.maintenance.copy import CannotMove
from otp_app.maintenance.records import WholeStore
from otp_app.settings import keyring
from otp_app.store import open_store


class CannotDo(Exception):
    """What stands against a command: the text says why, and what to do."""


def exit_status(work: Callable[[], None], given_up: str = "Given up.") -> int:
    """Do it and return the exit status; say in one line what stands against it."""
    try:
        work()
    except (CannotDo, CannotMove, StoreUnavailable) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(given_up, file=sys.stderr)
        return 130
    return 0


@contextmanager
def whole(name: str, url: str) -> Iterator[WholeStore]:
    """Open the store that an argument or setting names, and see that it can be reached and read as a whole."""
    try:
        opened = open_store(url)
    except ValueError as error:
        raise CannotDo(f"{name}: {error}") from None
    with closing(opened) as store:
        if not isinstance(store, Movable):
            raise CannotDo(f"{name}: this store cannot be read as a whole: use sqlite, redis or postgresql")
        try:
            store.frozen()
        except StoreUnavailable as error:
            raise CannotDo(f"{name}: {error}") from error
        yield store


def existing(name: str, url: str) -> str:
    """Return the URL, unless opening it would make the file."""
    if (file := keyring.database(url)) and not file.exists():
        raise CannotDo(f"{name}: there is no file {file.absolute()}")
    return url


def in_folder(name: str, url: str) -> str:
    """Return the URL, unless its file would be made in a folder that is not there: its name may be mistyped."""
    if (file := keyring.database(url)) and not file.absolute().parent.is_dir():
        raise CannotDo(f"{name}: there is no folder {file.absolute().parent}: make it, or name another file")
    return url
