"""Why a server does not start for its history, and what keeps it from being kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from otp_app.core.errors import OtpError
from otp_app.history.opening import OFF, open_reader, url_of
from otp_app.plugins.loading import load_object
from otp_app.settings import Settings, keyring
from otp_app.settings.diagnosis import Diagnosis, State

NO_TARGET = "is a link without its target: mount or make that, or remove it"


def fault(settings: Settings) -> str | None:
    """Return why there can be no such history, or None. The database itself is reached later: it may be away."""
    chosen = settings.otp_history_url
    if chosen in ("", OFF):
        return None
    if chosen == settings.otp_store_url and chosen.startswith("sqlite:"):
        return "OTP_HISTORY_URL: this is the file of the store: name another one"
    try:
        load_object("otp_app.history.database:open_database", "history")(url_of(settings))
    except ValueError as error:
        return f"OTP_HISTORY_URL: {error}"
    return None


def file_faults(settings: Settings) -> list[str]:
    """Return a line where others can read the file of the history, or would be able to: it has tags and prefixes."""
    file = keyring.database(url_of(settings))
    try:
        if file is None or not file.exists():
            return [f"OTP_HISTORY_URL: {file} {NO_TARGET}"] if file and file.is_symlink() else []
        return [f"OTP_HISTORY_URL: others can read the history: chmod 600 {file}"] * bool(file.stat().st_mode & 0o077)
    except OSError:  # it may be away at the start
        return []


def examine(settings: Settings) -> Iterator[Diagnosis]:
    """Say whether the history can be kept, for `doctor`: a server without it goes on, and loses what ends meanwhile."""
    if not url_of(settings):
        return
    try:
        why, is_kept = _state(settings)
    except (OtpError, OSError) as error:
        why, is_kept = f"it is not kept: {error}", False
    remedy = "" if is_kept else "mend that, or name another place with OTP_HISTORY_URL: docs/history.md"
    yield Diagnosis("History", State.OK if is_kept else State.FAULT, why, remedy)


def _state(settings: Settings) -> tuple[str, bool]:
    """Return how a history is, and whether it can be kept. Raises StoreUnavailable, OSError."""
    file = keyring.database(url_of(settings))
    if file and (closed := _unwritable(file)):
        return f"this user cannot write {closed}", False
    reader = open_reader(settings)
    assert reader is not None  # noqa: S101  there is a URL
    with closing(reader):
        return "it is kept" if reader.has_begun() else "the first start begins it", True


def _unwritable(file: Path) -> Path | None:
    """Return the file, or the folder it lies in, if this user cannot write it."""
    folder = next(parent for parent in file.absolute().parents if parent.exists())
    if not os.access(folder, os.W_OK | os.X_OK):
        return folder
    return None if os.access(file, os.R_OK | os.W_OK) or not file.exists() else file
