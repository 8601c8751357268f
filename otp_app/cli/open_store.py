"""Open a store for a command. Each obstacle is one line."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager

from otp_app.cli.command import CannotDo
from otp_app.cli.sources import Source
from otp_app.core.codes import LedgerIds
from otp_app.core.errors import StoreUnavailable
from otp_app.core.moving import Movable
from otp_app.maintenance import records
from otp_app.maintenance.records import WholeStore
from otp_app.settings import Settings, keyring
from otp_app.settings.environment import TO_SEPARATE
from otp_app.startup.reader import read
from otp_app.stores import open_store

#: the settings that select the store: with a fault here, the command might open the wrong one
NAMING = {"OTP_STORE_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_DB"}
KEYS = {"OTP_SECRET_KEYS", "OTP_INDEX_KEY"}
NO_KEYS = "OTP_SECRET_KEYS, OTP_INDEX_KEY: not set here, and a shared store needs those of its servers"
OTHER_KEY = "OTP_INDEX_KEY: the store has records of another key"
AS_SERVERS = "Nothing was changed. Run this with the settings of the servers: docs/run.md"


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
    Source("store", "OTP_STORE_URL", settings.otp_store_url).announce()
    with whole("OTP_STORE_URL", existing("OTP_STORE_URL", settings.otp_store_url)) as store:
        yield store


def index_key(settings: Settings, store: Movable) -> bytes:
    """Return the key that names the records of numbers. Raises CannotDo unless it is that of the store's servers.

    With another key nothing is found, and no server finds what is written.
    """
    if not keyring.makes_own(settings) and not (settings.otp_secret_keys and settings.otp_index_key):
        raise CannotDo(f"{NO_KEYS}. {AS_SERVERS}")
    try:
        _, key = keyring.keys(settings)
    except (keyring.BadKeyFile, ValueError) as error:
        raise CannotDo(f"{error}. {AS_SERVERS}") from None
    own, others = records.owners(store, LedgerIds(key, secrets.token_bytes))
    if others and not own:
        raise CannotDo(f"{OTHER_KEY}. {AS_SERVERS}")
    return key


def require_records(store: WholeStore) -> None:
    """Raise StoreUnavailable if the records have moved to another store, or are not all here yet."""
    if (frozen := store.frozen()) and not frozen.holds:
        raise StoreUnavailable(frozen.message)


def require_changes(store: WholeStore) -> None:
    """Raise StoreUnavailable if the records are moving or have moved, so that nothing may be changed here."""
    if frozen := store.frozen():
        raise StoreUnavailable(frozen.message)


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
