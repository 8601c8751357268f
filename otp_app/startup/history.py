"""Why a server does not start for its history."""

from __future__ import annotations

from otp_app.history.opening import OFF, url_of
from otp_app.plugins.loading import load_object
from otp_app.settings import Settings


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
