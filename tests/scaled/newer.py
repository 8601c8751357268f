"""A store as a newer version would fill it: every record in it has a field that this version does not know.

OTP_STORE_URL=tests.scaled.newer:NewerStore?redis://…
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from otp_app.core.store import Swap
from otp_app.stores.redis.store import RedisStore

FIELD, CONTENT = "since_version_2", ["a", {"list": 1}]
TOUCHED = "touched:"  # before the key of a record: the counter of the newer version's changes to it


class NewerStore(RedisStore):
    """Redis, with the field added to what is written."""

    def __init__(self, url: str, clock: Callable[[], float]) -> None:
        super().__init__(url.partition("?")[2], clock)

    def swap(self, key: str, old: bytes | None, new: bytes | None, ttl: float) -> Swap:
        """Write the newer form. Who holds an idempotency key compares with what it has written itself."""
        done = super().swap(key, newer(key, old) if key.startswith("i:") else old, newer(key, new), ttl)
        if done.won:
            self.add(TOUCHED + key, 1, ttl)
        return done


def newer(key: str, data: bytes | None) -> bytes | None:
    """The same record with the field in each of its parts."""
    if data is None:
        return None
    record = json.loads(data)
    for part in parts(key, record):
        part[FIELD] = CONTENT
    return json.dumps(record).encode()


def parts(key: str, record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """An idempotency entry and its answer; a ledger, its verifications and their sends."""
    yield record
    if key.startswith("i:"):
        yield from filter(None, [record["answer"]])
    for verification in record.get("verifications", ()):
        yield verification
        yield from verification.get("sends", ())
