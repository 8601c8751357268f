"""Answers that are given once the store has what they say: how a view and the worker that calls it agree on them.

A worker that answers several requests together waits for the store once for all of them. So a view begins its change,
answers as if that were stored already, and leaves the waiting to the worker, which sends the answer afterwards. Where
it turns out not to be true, the worker asks the view again, with what came instead.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import TypeVar, cast

from flask import request

from otp_app.core.ledgers import Begun

#: in the WSGI environment: a list for what waits; each returns None, or else the answer of the core that came instead
LATER = "otp_app.later"
#: ... in that of a request that is asked again: what came instead
INSTEAD = "otp_app.instead"
#: ... or what was raised
FAULT = "otp_app.fault"
AGAIN = {INSTEAD, FAULT}  # with one of them a request was counted before by the limits
CHECK = b"POST /verify-otp "  # how the requests begin that are answered together where `begins_checks` of the service

Answer = TypeVar("Answer")


def raise_fault() -> None:
    """Raise what the change of the current request has raised, if it has."""
    if fault := request.environ.get(FAULT):
        raise fault


def answer_of(change: Callable[[], Answer], begin: Callable[[], Begun[Answer]]) -> Answer:
    """Return the answer of a change once it is stored, or, where the worker waits for that, of one that has begun."""
    environ = request.environ
    raise_fault()
    if INSTEAD in environ:
        return cast("Answer", environ[INSTEAD])
    if (waits := environ.get(LATER)) is None:
        return change()
    if (begun := begin()).answer is None:
        return begun.end()
    waits.append(_with_log(partial(_other_answer, begun)))
    return begun.answer


def wait(end: Callable[[], None]) -> None:
    """Wait for the end of a change, now or later. What it raises comes back by `raise_fault`."""
    waits = request.environ.get(LATER)
    if waits is None:
        end()
    else:
        waits.append(_with_log(end))


def _other_answer(begun: Begun[Answer]) -> Answer | None:
    answer = begun.end()
    return None if answer is begun.answer else answer


def _with_log(end: Callable[[], object]) -> Callable[[], object]:
    """Return it with the context of the current request, so that lines of the log have its id."""
    return partial(copy_context().run, end)
