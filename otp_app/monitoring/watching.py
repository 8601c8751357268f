"""The calls of channels and of the store, for whoever measures or traces them: each is replaced by one around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

CALLS_OF_CHANNELS = ("deliver", "check", "end")
CALLS_OF_STORES = ("get", "swap", "swap_with_jobs", "add")

Call = Callable[..., Any]


def watch(part: object, names: Iterable[str], around: Callable[[str, Call], Call]) -> None:
    """Replace these methods of an object, as far as it has them, by what `around` makes of each from its name."""
    for name in names:
        if call := getattr(part, name, None):
            setattr(part, name, around(name, call))
