"""Open a store for a command. Each obstacle is one line."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager

from otp_app.cli.command import CannotDo
from otp_app.core.errors import StoreUnavailable
from otp_app.core.moving import Movable
from otp_app.maintenance.records import WholeStore
from otp_app.settings import Settings, keyring
from otp_app.settings.environment import TO_SEPARATE
from otp_app.startup.reader import read
from otp_app.stores import open_store

#: the settings that select the store: with a fault here, the command might open the wrong one
NAMING = {"OTP_STORE_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_DB"}


@contextmanager
def whole(name: str, url: str) -> Iterator[WholeStore]:
    """Open the store that an argument or setting names. Raises CannotDo unless it answers and can be scanned."""
    try:
        opened = open_store(url)
    except ValueError as error:
        raise CannotDo(f"{name}: {error}") from None
    with closing(opened) as store:
        if not isinstance(store, Movable):
            raise CannotDo(f"{name}: this command cannot scan such a store; use sqlite, redis or postgresql")
        try:
            store.frozen()
        except StoreUnavailable as error:
            raise CannotDo(f"{name}: {error}") from error
        yield store


@contextmanager
def store_in_use() -> Iterator[WholeStore]:
    """Open the store that the settings name, and tell which it is. Raises CannotDo."""
    settings = settings_of(NAMING)
    print(f"Store: {without_secrets(settings.otp_store_url)}", file=sys.stderr)
    with whole("OTP_STORE_URL", existing("OTP_STORE_URL", settings.otp_store_url)) as store:
        yield store


def require_records(store: WholeStore) -> None:
    """Raise StoreUnavailable if the records have moved to another store, or are not all here yet."""
    if (frozen := store.frozen()) and not frozen.holds:
        raise StoreUnavailable(frozen.message)


def without_secrets(url: str) -> str:
    """Return a URL without the name, the password and the options in it."""
    scheme, _, rest = url.partition("?")[0].partition("://")
    return f"{scheme}://{rest.rpartition('@')[2] if scheme != 'sqlite' else rest}"


def settings_of(names: Collection[str]) -> Settings:
    """Return the settings, of which those with these names are certain. Raises CannotDo.

    Faults of others do not matter, unless one of these names may be hidden in them.
    """
    settings, faults = read()
    lines = [f"{name}: {line}" for name, line in faults.items() if _may_concern(names, name, line)]
    if lines:
        raise CannotDo("\n".join(lines))
    return settings


def _may_concern(names: Collection[str], name: str, line: str) -> bool:
    return name == ".env" or name.removesuffix("_FILE") in names or line.endswith(TO_SEPARATE)


def existing(name: str, url: str) -> str:
    """Return the URL. Raises CannotDo if it names a SQLite file that does not exist."""
    if (file := keyring.database(url)) and not file.exists():
        raise CannotDo(f"{name}: the file {file.absolute()} does not exist")
    return url


def in_folder(name: str, url: str) -> str:
    """Return the URL. Raises CannotDo if the directory of its SQLite file does not exist: it may be mistyped."""
    if (file := keyring.database(url)) and not file.absolute().parent.is_dir():
        raise CannotDo(f"{name}: the directory {file.absolute().parent} does not exist; create it, or use another file")
    return url
