"""Answers that are given once the store has what they say: how a view and the worker that calls it agree on them.

A worker that answers several requests together waits for the store once for all of them. So a view begins its change,
answers as if that were stored already, and leaves the waiting to the worker, which sends the answer afterwards. Where
nothing was stored, because somebody else was first, the worker has the request handled anew, by a thread of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import TypeVar

from flask import request

from otp_app.core.ledgers import Begun

#: in the WSGI environment: a list for what waits, which may return False: the request is to be handled anew
LATER = "otp_app.later"
#: ... in that of a request that is handled anew: limits have counted it
AGAIN = "otp_app.again"
#: ... with what was raised, where that is all that is left to say
FAULT = "otp_app.fault"
CHECK = b"POST /verify-otp "  # how the requests begin that are answered together where `begins_checks` of the service

Answer = TypeVar("Answer")


def raise_fault() -> None:
    """Raise what the change of the current request has raised, if it has."""
    if fault := request.environ.get(FAULT):
        raise fault


def answer_of(change: Callable[[], Answer], begin: Callable[[], Begun[Answer] | None]) -> Answer:
    """Return the answer of a change once it is stored, or, where the worker waits for that, of one that has begun."""
    raise_fault()
    waits = request.environ.get(LATER)
    begun = begin() if waits is not None else None
    if waits is None or begun is None:
        return change()
    waits.append(_with_log(begun.is_stored))
    return begun.answer


def wait(end: Callable[[], None]) -> None:
    """Wait for the end of a change, now or later. What it raises comes back by `raise_fault`."""
    waits = request.environ.get(LATER)
    if waits is None:
        end()
    else:
        waits.append(_with_log(end))


def _with_log(end: Callable[[], object]) -> Callable[[], object]:
    """Return it with the context of the current request, so that lines of the log have its id."""
    return partial(copy_context().run, end)
