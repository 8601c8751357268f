"""Several servers that share one store, behind nginx: to clients it looks like one server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any

from otp_app.core.moving import Item, Movable
from otp_app.stores import open_store
from tests.faults.load import Clients, at_once
from tests.history import Event, check
from tests.provider import Provider
from tests.running import INDEX_KEY, KEY, Answer, RunningServer, call
from tests.scaled.nginx import Nginx

SIZE = 3
API_KEY = "a-key-of-the-shop"
AS_SHOP = {"Authorization": f"Bearer {API_KEY}"}


class Fleet:
    """Real servers on one store. As a context, all of them and nginx run.

    Callers come with an API key; those without are the public, and may call too. The code keys stand in each server's
    `.env`, which a reload reads anew; all other settings are its environment.
    """

    def __init__(self, folder: Path, provider: str, store: str, **settings: str) -> None:
        folder.mkdir()
        self.folder, self.store = folder, store
        common: dict[str, Any] = {
            "OTP_INDEX_KEY": INDEX_KEY, "OTP_TRUSTED_PROXIES": "127.0.0.1", "OTP_PUBLIC": "1", "OTP_COUNTRIES": "US",
            "OTP_API_KEYS": f"shop:send+verify:{hashlib.sha256(API_KEY.encode()).hexdigest()}",
        }  # fmt: skip
        self.servers = [
            RunningServer(self._folder(f"server{number}"), provider, store=store, patient=True, **common | settings)
            for number in range(1, SIZE + 1)
        ]
        for server in self.servers:
            server.environment.pop("OTP_SECRET_KEYS", None)
            set_keys(server, f"k1:{KEY}")
        self.nginx = Nginx(folder / "nginx", [server.port for server in self.servers])
        self.port = self.nginx.port

    def __enter__(self) -> Fleet:
        try:
            self.each(RunningServer.start)
            self.nginx.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """End all of it."""
        self.nginx.stop()
        self.each(RunningServer.stop)

    def each(self, do: Callable[[RunningServer], Any]) -> list[Any]:
        """Do it with all servers at once."""
        return at_once(SIZE, lambda number: do(self.servers[number]))

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Answer:
        """POST through nginx."""
        return self._known(call(self.port, "POST", path, body, AS_SHOP | (headers or {})))

    def call(self, method: str, path: str) -> Answer:
        """A request without a body through nginx."""
        return self._known(call(self.port, method, path, headers=AS_SHOP))

    def texts(self) -> dict[str, bytes]:
        """Every file that the servers and nginx wrote."""
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}

    def _folder(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir()
        return folder

    def _known(self, answer: Answer) -> Answer:
        """The answer of a server. Raises ConnectionError where nginx itself answers that a server's broke off."""
        if answer.status in (502, 504) and answer.json is None:
            raise ConnectionError(f"nginx answered {answer.status}")
        return answer


class FleetClients(Clients):
    """Clients of a fleet, who come through nginx."""

    def __init__(self, fleet: Fleet, provider: Provider) -> None:
        super().__init__(fleet, provider)  # type: ignore[arg-type]  # it has what clients use of a server
        self.fleet = fleet

    def faults(self) -> list[str]:
        """What the history, the provider's log and all files say against the fleet."""
        return check(self.history.events, self.provider.posts, self.fleet.texts())

    def failed(self) -> list[Event]:
        """The calls that got no answer, or a 5xx."""
        return [event for event in self.history.events if event.status is None or event.status >= 500]


def items(url: str) -> list[Item]:
    """All that a store has, counters too."""
    with closing(open_store(url)) as store:
        assert isinstance(store, Movable)
        return list(store.scan())


def records(url: str, kind: str) -> dict[str, Any]:
    """The ledgers ("n:") or idempotency entries ("i:") of a store, by key."""
    values = ((item.key, item.value) for item in items(url))
    return {key: json.loads(value) for key, value in values if isinstance(value, bytes) and key.startswith(kind)}


def set_keys(server: RunningServer, keys: str) -> None:
    """Write OTP_SECRET_KEYS where the server's next start or reload reads it."""
    (server.folder / ".env").write_text(f"OTP_SECRET_KEYS={keys}\n")
