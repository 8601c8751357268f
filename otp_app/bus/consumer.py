"""Receiving: a consumer has one connection and one message at a time, which it acknowledges after the work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from otp_app.bus.connecting import FAULTS, FIRST_PAUSE, LAST_PAUSE, LONGEST_WAIT, Broker, letter_of, publish, reason_of
from otp_app.bus.errors import Dead
from otp_app.bus.letters import DEAD, Letter, Route
from otp_app.core.errors import OtpError
from otp_app.system.logs import log, warn_seldom

if TYPE_CHECKING:
    from otp_app.monitoring.metrics.meter import Meter

Post = Callable[[Route, Letter], None]
#: does the work that a message asks for, and posts what follows from it. Raises Dead, or an OtpError
Handler = Callable[[Letter, Post], None]


DONE, LEFT = "done", "left"
#: reasons of dead letters that no number and no provider is the cause of
DEFECTS = ("expired", "unreadable", "redelivered_without_id", "internal_error")
LONGEST_RETRY = 1.0  # seconds until a message is tried again


class _NotYet(Exception):
    """What was tried may succeed later."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class Consumer:
    """Hands each message of a queue to `handle`, until `stopping` is set.

    An OtpError that `is_passing` names is no end: the message is tried again until it is older than `ttl` seconds.
    What cannot be done goes to the queue of dead letters. `wall` is the time, seconds since the epoch.
    """

    def __init__(
        self,
        broker: Broker,
        route: Route,
        handle: Handler,
        *,
        is_passing: Callable[[OtpError], bool],
        ttl: float,
        wall: Callable[[], float],
        stopping: Event,
        meter: Meter | None = None,
    ) -> None:
        self._meter = meter
        if meter:
            meter.expect_messages(route.queue, DEFECTS)
        self._broker, self._route, self._handle = broker, route, handle
        self._is_passing, self._ttl, self._wall = is_passing, ttl, wall
        self._stopping = stopping

    def run(self) -> None:
        """Receive, over as many connections as it takes."""
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            try:
                with self._broker.channel() as channel:
                    pause = FIRST_PAUSE
                    self._receive(channel)
            except FAULTS as error:
                warn_seldom(f"bus_unavailable: {reason_of(error)}")
                self._stopping.wait(pause)
                pause = min(2 * pause, LAST_PAUSE)
            except Exception:  # noqa: BLE001 - a thread that ends would be missed until the worker starts again
                log.exception("a consumer begins anew")
                self._stopping.wait(LAST_PAUSE)

    def _receive(self, channel: Any) -> None:
        channel.basic_qos(prefetch_count=1)
        for method, properties, body in channel.consume(self._route.queue, inactivity_timeout=LONGEST_WAIT):
            if method is not None and self.take(letter_of(method, properties, body), channel):
                channel.basic_ack(method.delivery_tag)
            if self._stopping.is_set():
                return

    def take(self, letter: Letter, channel: Any) -> bool:
        """Do what a message asks for. Return whether it is done with: it is not where this consumer stops before that.

        Raises FAULTS where the channel broke, after which the broker hands the message to somebody again.
        """
        if self._meter is None:
            return bool(self._result(letter, channel))
        self._meter.took(self._route.queue)
        result = ""
        try:
            result = self._result(letter, channel)
        finally:
            self._meter.worked(self._route.queue, *_shown(result))
        return bool(result)

    def _result(self, letter: Letter, channel: Any) -> str:
        """Return DONE, why the letter is dead, or "" where it is left to another worker. Raises FAULTS."""
        letter = self._dated(letter)
        began, post = letter.at or self._wall(), partial(publish, channel)
        reason = self._reason_to_refuse(letter, began)
        letter = letter if letter.id else replace(letter, id=uuid4().hex)
        while not reason:
            try:
                reason, wait = self._attempt(letter, post), 0.0
            except _NotYet as passing:
                reason, wait = "expired" if self._is_old(began) else "", passing.seconds
            if not reason and self._stopping.is_set():
                return ""
            if wait:
                channel.connection.sleep(wait)
        if reason != DONE:
            self._bury(letter, reason, post)
        return reason

    def _attempt(self, letter: Letter, post: Post) -> str:
        """Return DONE, or why it cannot be done. Raises _NotYet, FAULTS."""
        try:
            self._handle(letter, post)
        except Dead as dead:
            return dead.reason
        except OtpError as error:
            if self._is_passing(error):
                raise _NotYet(min(error.retry_after or 1.0, LONGEST_RETRY)) from error
            return error.code
        except FAULTS:
            raise
        except Exception:  # noqa: BLE001 - one message must not end the consumer
            log.exception("a message could not be handled")
            return "internal_error"
        return DONE

    def _dated(self, letter: Letter) -> Letter:
        """A time that is far ahead, such as one in milliseconds, is none: the message would never be too old."""
        is_ahead = letter.at is not None and letter.at > self._wall() + self._ttl
        return replace(letter, at=None) if is_ahead else letter

    def _reason_to_refuse(self, letter: Letter, began: float) -> str:
        if letter.again and not letter.id:  # it may have been done, and nothing would tell
            return "redelivered_without_id"
        return "expired" if self._is_old(began) else ""

    def _is_old(self, began: float) -> bool:
        return self._wall() - began > self._ttl

    def _bury(self, letter: Letter, reason: str, post: Post) -> None:
        """Keep what names the matter, and never a code."""
        try:
            kept = {name: letter.text(name) for name in ("phone_number", "verification_id") if name in letter.fields}
        except Dead:
            kept = {}
        fields = kept | {"queue": self._route.queue, "message_id": letter.id, "reason": reason}
        log.warning("dead letter", extra={"fields": {"queue": self._route.queue, "reason": reason}})
        post(DEAD, Letter.of(letter.id, self._wall(), fields))


def _shown(result: str) -> tuple[str, str]:
    """Return the labels of a result: what became of the letter, and of a dead one why."""
    return (result or LEFT, "none") if result in (DONE, "") else ("dead", result)
