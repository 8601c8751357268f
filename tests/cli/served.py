"""A server in this process that listens, for commands that ask one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from werkzeug.serving import make_server

from tests.running import free_port


@contextmanager
def listening(app: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """An application at the address that the settings name."""
    port = free_port()
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("PORT", str(port))
    try:
        yield port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
