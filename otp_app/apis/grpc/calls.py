"""What every call has around it: an id, which the lines of the log have too, the key of who calls, and its count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import TYPE_CHECKING, Any

import grpc

from otp_app.apis.grpc.metadata import REQUEST_ID, received, report
from otp_app.system.logs import request_id
from otp_app.web.client import RequestIds

if TYPE_CHECKING:
    from otp_app.monitoring.metrics.meter import Meter

NO_METHOD = "none"
#: the name of the API key that the call of this thread shows, "" without one
key_name: ContextVar[str] = ContextVar("key_name", default="")


class Calls:
    """Gives each call its id. A thread answers one call after another, so nothing of one stays for the next."""

    def __init__(self, meter: Meter | None, methods: Iterable[str]) -> None:
        """`meter`: counts calls of these methods, of which it has the names without their service; None: nothing."""
        self._ids, self._meter = RequestIds(), meter
        if meter:
            meter.expect_calls(map(_name, methods))

    @contextmanager
    def begun(self, method: str, context: grpc.ServicerContext) -> Iterator[None]:
        """Be in a call until it has ended."""
        begin = perf_counter()
        request_id.set(self._ids.taken(received(context).get(REQUEST_ID)))
        report(context, {})
        try:
            yield
        finally:
            request_id.set("")
            key_name.set("")
            if self._meter:
                self._meter.called(_name(method), _code(context), perf_counter() - begin)

    def counted(self, method: str, answer: Callable[..., Any]) -> Callable[..., Any]:
        """Return what answers a method, with its calls counted, and with no id: nothing is logged of them."""
        if (meter := self._meter) is None:
            return answer

        def count(requests: Any, context: grpc.ServicerContext) -> Any:
            begin = perf_counter()
            found = answer(requests, context)
            meter.called(_name(method), _code(context), perf_counter() - begin)
            return found

        return count

    def missed(self) -> None:
        """Count a call of a method that there is not."""
        if self._meter:
            self._meter.called(NO_METHOD, grpc.StatusCode.UNIMPLEMENTED.name, 0.0)

    def too_large(self, method: str) -> None:
        """Count a call whose metadata is not read."""
        if self._meter:
            self._meter.called(_name(method), grpc.StatusCode.RESOURCE_EXHAUSTED.name, 0.0)


def _name(method: str) -> str:
    return method.rpartition("/")[2]


def _code(context: Any) -> str:
    """Return the status that a call ends with: none was set where it went well."""
    return str((context.code() or grpc.StatusCode.OK).name)
