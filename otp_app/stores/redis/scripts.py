"""How the store calls Redis: scripts, and answers of the expected kind."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import redis

from otp_app.core.errors import StoreUnavailable

SCRIPTS = Path(__file__).with_name("lua")


class Script:
    """A script that the server knows by its digest once it has run it."""

    def __init__(self, file: Path) -> None:
        self.text = file.read_bytes()
        self._digest = hashlib.sha1(self.text, usedforsecurity=False).hexdigest()

    def run(self, server: Any, keys: list[str], *arguments: bytes | int) -> Any:
        """Return its answer."""
        try:
            return ask(server, "EVALSHA", self._digest, len(keys), *keys, *arguments)
        except redis.exceptions.NoScriptError:  # so it did not run
            return ask(server, "EVAL", self.text, len(keys), *keys, *arguments)


def ask(server: Any, *command: bytes | str | int) -> Any:
    """Return the answer to a command; raises what the client does.

    The client's own way to a connection of its pool measures and retries, both of which are off here, for half of the
    CPU time of a command.
    """
    if not isinstance(server, redis.Redis):  # a cluster first finds the node
        return server.execute_command(*command)
    pool = server.connection_pool
    connection: Any = pool.get_connection()
    try:
        connection.send_packed_command([packed(command)])
        # Closed after every fault, as Sentinel's connections are not by themselves: the answer may still come, and the
        # next command on that connection would get it.
        return connection.read_response(disconnect_on_error=True)
    finally:
        pool.release(connection)


def packed(command: tuple[bytes | str | int, ...]) -> bytes:
    """Return a command as Redis reads it."""
    parts = [part if isinstance(part, bytes) else str(part).encode() for part in command]
    return b"*%d\r\n" % len(parts) + b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts])


def answer(kind: Any, given: Any) -> Any:
    """Return an answer of this kind. One of another, such as a lone OK, is no answer to what was asked."""
    if isinstance(given, kind) and given != []:
        return given
    raise StoreUnavailable("The store is not available (its answer is not one of Redis)")


def milliseconds(ttl: float) -> int:
    """Return a lifetime as Redis takes it, at least 1."""
    return max(int(ttl * 1000), 1)
