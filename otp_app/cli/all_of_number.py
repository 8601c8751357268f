"""Open all that may have something of a number: the store, the history and the accounts. Nothing is changed yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from otp_app.cli.command import CannotDo
from otp_app.cli.open_store import AS_SERVERS, index_key, store_in_use
from otp_app.cli.sources import Source, accounts_beside
from otp_app.core.errors import OtpError
from otp_app.history import opening
from otp_app.history.reading import Reader
from otp_app.maintenance.records import WholeStore
from otp_app.plugins.loading import load_object
from otp_app.settings import Settings, keyring

OTHER_HISTORY = "OTP_INDEX_KEY: the history has rows of another key"
BESIDE = "DATABASE_URL: there is no {file}, but {beside} lies beside the store"
NOT_USED = "Not looked at: {file} beside the store, which no setting names"


class Opened(NamedTuple):
    """What was found, open."""

    store: WholeStore
    history: Reader | None  # None: there is none
    has_accounts: bool
    hints: list[str]  # files that may have more


@contextmanager
def all_of_number(settings: Settings) -> Iterator[Opened]:
    """Open everything, and say which there is. Raises CannotDo unless the keys are those of the records."""
    with store_in_use() as store, _history(settings, index_key(settings, store)) as history:
        has_accounts = _has_accounts(settings)
        hints = [NOT_USED.format(file=file) for file in unused_beside(settings)]
        yield Opened(store, history, has_accounts, hints)


def unused_beside(settings: Settings) -> list[Path]:
    """Return the files beside a SQLite store that are called as its history and accounts are, and that are not those
    of the settings.
    """  # fmt: skip
    file = keyring.database(settings.otp_store_url)
    if file is None:
        return []
    urls = (opening.url_of(settings), settings.database_url)
    used = {found.absolute() for url in urls if (found := keyring.database(url))}
    likely = (opening.beside(file.absolute()), accounts_beside(file))
    return [path for path in likely if path.exists() and path not in used]


def in_accounts(settings: Settings, what: str, *arguments: str) -> Any:
    """Return what a function of accounts.person returns. Raises CannotDo."""
    try:
        function: Callable[..., Any] = load_object(f"otp_app.accounts.person:{what}", "command")
        return function(settings.database_url, *arguments)
    except (ValueError, OtpError) as error:
        raise CannotDo(f"DATABASE_URL: {error}") from None


@contextmanager
def _history(settings: Settings, key: bytes) -> Iterator[Reader | None]:
    try:
        opened = opening.open_reader(settings, key)
    except ValueError as error:
        raise CannotDo(f"OTP_HISTORY_URL: {error}") from None
    url = opening.url_of(settings)
    if opened is None:
        Source("history", "OTP_HISTORY_URL", url, exists=False).announce()
        yield None
        return
    with closing(opened) as reader:
        exists = reader.has_begun()
        Source("history", "OTP_HISTORY_URL", url, exists).announce()
        if reader.is_of_other_key():
            raise CannotDo(f"{OTHER_HISTORY}. {AS_SERVERS}")
        yield reader if exists else None


def _has_accounts(settings: Settings) -> bool:
    file, store = keyring.database(settings.database_url), keyring.database(settings.otp_store_url)
    exists = file.exists() if file else bool(in_accounts(settings, "exist"))
    Source("accounts", "DATABASE_URL", settings.database_url, exists).announce()
    if file and not exists and store and (beside := accounts_beside(store)).exists():
        raise CannotDo(f"{BESIDE.format(file=file.absolute(), beside=beside)}. {AS_SERVERS}")
    return exists
