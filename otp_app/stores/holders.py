"""The copy that has frozen a store: only that one may fill it."""

from otp_app.core.errors import StoreUnavailable
from otp_app.core.moving import Hold


def check_holder(held: Hold | None, by: str | None) -> None:
    """Raise StoreUnavailable, which names the holder, unless the copy `by` has frozen the store (None: not asked)."""
    if by is not None and (held is None or held.by != by):
        raise StoreUnavailable(f"The store is held by another copy ({held.name})" if held else "The store was thawed")
