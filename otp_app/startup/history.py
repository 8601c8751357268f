"""Why a server does not start for its history."""

from __future__ import annotations

from otp_app.history.opening import OFF, url_of
from otp_app.plugins.loading import load_object
from otp_app.settings import Settings, keyring

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
