"""OTP_STORE_FALLBACK: a start alone chooses between the store and one in memory."""

from __future__ import annotations

from msgspec.structs import replace

from otp_app.settings import Settings, keyring
from otp_app.stores import open_or_memory


def settle(settings: Settings) -> tuple[Settings, list[str]]:
    """Return the settings with the store that this start chooses, and a line where it is the one in memory.

    Workers that chose for themselves would have an empty memory as soon as one begins while the store is away. Raises
    BadKeyFile.
    """
    if not settings.otp_store_fallback:
        return settings, []
    keyring.ensure(settings)
    store, away = open_or_memory(settings.otp_store_url)
    store.close()
    chosen = replace(keyring.held(settings), otp_store_url="memory://") if away else settings
    return without(chosen), [f"OTP_STORE_URL: {away}"] if away else []


def without(settings: Settings) -> Settings:
    """Return the settings with the store that they name and no other one, as for a reload."""
    return replace(settings, otp_store_fallback="")
