"""The history that the settings describe. Where there is none, nothing else of this package is imported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from otp_app.core.delivery import Channel
from otp_app.core.instant import Clock
from otp_app.core.journal import Recorder
from otp_app.core.policy import DAY
from otp_app.core.store import Store
from otp_app.plugins.loading import load_object
from otp_app.settings import Settings, keyring

if TYPE_CHECKING:
    from otp_app.history.reading import Reader

OFF = "off"
_POSTGRES = ("postgresql", "postgres")


class History(Recorder[Any], Protocol):
    """What services need of a recorder; see recorder.Recorder."""

    database: Any  # database.Database
    numbers: Any  # rows.Numbers

    def close(self) -> None:
        """End."""


def url_of(settings: Settings, store_url: str = "") -> str:
    """Return the URL of the history: a file beside a SQLite store, the database of a PostgreSQL store, or what was
    chosen. "" where there is none. `store_url`: of another store than that of the settings.
    """  # fmt: skip
    if settings.otp_history_url:
        return "" if settings.otp_history_url == OFF else settings.otp_history_url
    store_url = store_url or settings.otp_store_url
    if store_url.partition("://")[0] in _POSTGRES:
        return store_url
    file = keyring.database(store_url)
    return f"sqlite:///{_quoted(beside(file))}" if file else ""


def beside(file: Path) -> Path:
    """Return the file of the history of a SQLite store."""
    return file.with_name(f"{file.stem}-history{file.suffix}")


def open_history(
    settings: Settings, store: Store, index_key: bytes, channels: Sequence[Channel], clock: Clock
) -> History | None:
    """Return what keeps the history from now on, or None where none is kept. Raises ValueError."""
    url = url_of(settings)
    if not url:
        return None
    database = load_object("otp_app.history.database:open_database", "history")(url)
    numbers = load_object("otp_app.history.rows:Numbers", "history")(index_key)
    recorder = load_object("otp_app.history.recorder:Recorder", "history")(
        store, database, numbers, channels=channels, clock=clock, retention=settings.otp_retention_days * DAY
    )
    recorder.start()
    return cast("History", recorder)


def open_reader(settings: Settings, index_key: bytes = b"", store_url: str = "") -> Reader | None:
    """Return what reads the history, None where none is kept; without the key it finds no number. Raises ValueError."""
    url = url_of(settings, store_url)
    if not url:
        return None
    database = load_object("otp_app.history.database:open_database", "history")(url)
    numbers = load_object("otp_app.history.rows:Numbers", "history")(index_key)
    return cast("Reader", load_object("otp_app.history.reading:Reader", "history")(database, numbers))


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3F")
