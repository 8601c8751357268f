"""A store of somebody's own, as OTP_STORE_URL may name it."""

from collections.abc import Callable

from otp_app.stores.memory import MemoryStore


class NetworkStore(MemoryStore):
    """Says that several machines share it, which is all that start-up asks about."""

    shared_by = "network"

    def __init__(self, url: str, clock: Callable[[], float]) -> None:
        super().__init__(clock=clock)
