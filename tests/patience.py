"""Time-outs of stores that no busy machine reaches, for tests of anything but time-outs."""

from __future__ import annotations

import pytest

from otp_app.connections import postgres as postgres_connection
from otp_app.stores.postgres import pool as postgres_pool
from otp_app.stores.redis import client as redis_client
from otp_app.stores.redis import store as redis
from otp_app.stores.sqlite import file as sqlite_file
from otp_app.stores.sqlite import store as sqlite

LONG = 30.0  # seconds


def wait_long() -> pytest.MonkeyPatch:
    """Let all stores of this process, opened from now on, wait so long for an answer or a lock, until it is undone.

    A process that a test starts calls it by itself.
    """
    patch = pytest.MonkeyPatch()
    places = [(redis, "TIMEOUT"), (redis, "PLACE_TIMEOUT"), (sqlite_file, "CONNECTION_TIMEOUT")]
    for module, name in [*places, (postgres_connection, "TIMEOUT"), (postgres_pool, "TIMEOUT")]:
        patch.setattr(module, name, LONG)
    for options in (redis_client.OPTIONS, redis_client.TCP_OPTIONS):
        patch.setitem(options, "socket_timeout", LONG)
        patch.setitem(options, "socket_connect_timeout", LONG)
    patch.setattr(postgres_connection.Connection, "answer_timeout", LONG)
    limit = f"'{int(postgres_connection.STATEMENT * 1000)}'"
    patch.setattr(postgres_pool, "SETTINGS", postgres_pool.SETTINGS.replace(limit, f"'{int(LONG * 1000)}'"))
    defaults = sqlite.SqliteStore.__init__.__kwdefaults__
    for name in ("lock_timeout", "write_timeout"):
        patch.setitem(defaults, name, LONG)
    return patch
