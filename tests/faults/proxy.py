"""A slow or broken network: a TCP proxy on loopback that holds answers back or loses them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

CHUNK = 65536


class Proxy:
    """Passes bytes between its own `port` and `target_port` of loopback, whatever the protocol is; starts at once.

    `delay`: seconds for which each piece of an answer is held back. `cut_after_request`: called with each piece of a
    request; where it says yes, the request is passed on and, once the target has answered, the connection is cut in
    the place of the answer. `requests`: all that was passed on. All three may be changed while it runs.
    """

    def __init__(self, target_port: int) -> None:
        self.delay = 0.0
        self.cut_after_request: Callable[[bytes], bool] = lambda _: False
        self.requests: list[bytes] = []
        self._target, self._end = ("127.0.0.1", target_port), threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._accepting = self._run(self._accept)

    def lead_to(self, target_port: int) -> None:
        """Let connections that are made from now on lead elsewhere; those there are stay."""
        self._target = ("127.0.0.1", target_port)

    def close(self) -> None:
        """Cut all connections and take no more."""
        self._end.set()
        _cut(self._listener)
        self._accepting.join()  # from here on no connection is added
        for end in self._open:
            _cut(end)
        for thread in self._threads:
            thread.join()
        for end in (self._listener, *self._open):
            end.close()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def _run(self, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread

    def _accept(self) -> None:
        while not self._end.is_set():
            with suppress(OSError):  # the end, or a target that is away
                self._connect(self._listener.accept()[0])

    def _connect(self, client: socket.socket) -> None:
        self._open.add(client)
        try:
            target = socket.create_connection(self._target)
        except OSError:
            client.close()
            self._open.discard(client)
            raise
        self._open.add(target)
        link = _Link(self, client, target)
        self._threads += [self._run(link.pass_requests), self._run(link.pass_answers)]

    def hold_back(self) -> None:
        """Wait for `delay`, or until the proxy closes."""
        self._end.wait(self.delay)


class _Link:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy, client: socket.socket, target: socket.socket) -> None:
        self._proxy, self._client, self._target = proxy, client, target
        self._lost = False  # whether the next answer is

    def pass_requests(self) -> None:
        """Pass on what the client says, until either end hangs up."""
        with suppress(OSError):
            while data := self._client.recv(CHUNK):
                self._proxy.requests.append(data)
                self._lost = self._lost or self._proxy.cut_after_request(data)
                self._target.sendall(data)
        _cut(self._target)

    def pass_answers(self) -> None:
        """Pass on what the target says, until either end hangs up or an answer is lost."""
        with suppress(OSError):
            while (data := self._target.recv(CHUNK)) and not self._lost:
                self._proxy.hold_back()
                self._client.sendall(data)
        _cut(self._client)
        _cut(self._target)


def _cut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
