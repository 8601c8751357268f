"""What every call has around it: an id, which the lines of the log have too, and the key of who calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import grpc

from otp_app.apis.grpc.metadata import REQUEST_ID, received, report
from otp_app.system.logs import request_id
from otp_app.web.request_ids import RequestIds

#: the name of the API key that the call of this thread shows, "" without one
key_name: ContextVar[str] = ContextVar("key_name", default="")


class Calls:
    """Gives each call its id. A thread answers one call after another, so nothing of one stays for the next."""

    def __init__(self) -> None:
        self._ids = RequestIds()

    @contextmanager
    def begun(self, context: grpc.ServicerContext) -> Iterator[None]:
        """Be in a call until it has ended."""
        request_id.set(self._ids.taken(received(context).get(REQUEST_ID)))
        report(context, {})
        try:
            yield
        finally:
            request_id.set("")
            key_name.set("")
