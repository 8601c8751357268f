"""Answers of HTTP with one deadline for all their bytes: one byte now and then must not hold a thread."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

MAX_ANSWER = 64 * 1024  # bytes of a body
MAX_READ = 2 * MAX_ANSWER  # bytes with head, framing and trailers, for which http.client has no limit as a whole


class AnswerTooLong(HTTPException):
    """More than MAX_READ bytes came. The text can be shown."""


class Deadline:
    """A moment by which everything must have ended."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._clock, self._end = clock, clock() + seconds

    def left(self) -> float:
        """Return the seconds that are left, more than none. Raises TimeoutError when none are."""
        left = self._end - self._clock()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left

    def allows(self, seconds: float) -> bool:
        """Whether there is still time after a pause."""
        return self._clock() + seconds < self._end


class DeadlineReader(io.RawIOBase):
    """The stream of one answer, for http.client. Each read has only the time that is left until the deadline.

    Together the reads have MAX_READ bytes: http.client would keep all that follows a negative length of a chunk.
    The answer begins with the bytes that were read already, `begun`. `has_more`, once the answer is closed: more came
    than it, such as a second answer, so the connection is of no use any more.
    """

    def __init__(self, sock: socket.socket, deadline: Deadline, begun: bytes = b"") -> None:
        self._sock, self._deadline, self._begun, self._room = sock, deadline, begun, MAX_READ
        self._has_ended = self.has_more = False
        self._stream = sock.makefile("rb", buffering=0)  # it keeps the socket open until the answer is closed

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002  always "rb"
        """Return a buffered stream, as http.client asks of a socket."""
        return _Buffered(self)

    def end(self, buffered: io.BufferedReader) -> None:
        """Read nothing more, and see what is left of what was read."""
        self._has_ended = True
        self.has_more = bool(self._begun or buffered.peek(1))

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read once. Raises TimeoutError, AnswerTooLong, OSError."""
        if self._has_ended:
            return 0
        count = self._take_begun(buffer) if self._begun else self._receive(buffer)
        self._room -= count or 0
        if self._room < 0:
            raise AnswerTooLong("the answer is too long")
        return count

    def _take_begun(self, buffer: Any) -> int:
        part = self._begun[: len(buffer)]
        buffer[: len(part)] = part
        self._begun = self._begun[len(part) :]
        return len(part)

    def _receive(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._deadline.left())
        return self._stream.readinto(buffer)

    def close(self) -> None:
        """Close the stream, not the socket."""
        self._stream.close()
        super().close()


class _Buffered(io.BufferedReader):
    """What http.client reads from, and closes with the last byte of an answer."""

    raw: DeadlineReader

    def close(self) -> None:
        """Close it, and tell the stream below what is left."""
        if not self.closed:
            self.raw.end(self)
        super().close()
