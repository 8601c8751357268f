"""Long polls: requests that wait until there is something new to answer."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import BoundedSemaphore, Event
from typing import TYPE_CHECKING, TypeVar

from otp_app.core.errors import OtpError
from otp_app.core.instant import Clock

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MOST = 16  # of a process; gunicorn's worker has as many threads more
EVERY = 1.0  # seconds between two looks

Seen = TypeVar("Seen")
_ending = Event()


class TooManyPolls(OtpError):
    """This process has as many long polls as it may have."""

    code = "too_many_polls"


def end() -> None:
    """Have all long polls of this process answered at once, and those that come."""
    _ending.set()


def client_is_gone(environ: WSGIEnvironment) -> bool:
    """Whether the client of a request has closed its connection, as far as the server lets its socket be seen."""
    sock: socket.socket | None = environ.get("gunicorn.socket")
    with suppress(BlockingIOError):
        try:
            return sock is not None and not sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except ConnectionError:
            return True
    return False


class LongPolls:
    """The long polls of a process. `pause` waits for some seconds and says whether they must end before."""

    def __init__(self, clock: Clock, pause: Callable[[float], bool] = _ending.wait) -> None:
        self._clock, self.pause = clock, pause
        self._places = BoundedSemaphore(MOST)

    def hold(
        self, look: Callable[[], Seen], is_news: Callable[[Seen], bool], seconds: float, is_gone: Callable[[], bool]
    ) -> Seen:
        """Return what `look` sees once it is news, or after so many seconds, or when nobody waits for it any more.

        It looks at once and then every second. Raises TooManyPolls at once, and what `look` raises.
        """
        with self._place():
            until = self._clock().uptime + seconds
            while not is_news(seen := look()):
                left = until - self._clock().uptime
                if left <= 0 or self.pause(min(left, EVERY)) or is_gone():
                    break
            return seen

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise TooManyPolls("Too many requests wait for a change at this moment", EVERY)
        try:
            yield
        finally:
            self._places.release()
