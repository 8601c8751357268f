"""What `doctor` finds: one line about each thing that it looked at."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """How a thing is."""

    OK = "ok"
    ADVICE = "advice"  # it works, and could be better
    FAULT = "fault"
    NOT_CHECKED = "not checked"  # nobody could tell, so it may be a fault


class Diagnosis(NamedTuple):
    """What was looked at, how it is and why, and what mends it: a command, a setting or a page."""

    about: str
    state: State
    why: str
    remedy: str = ""


class UsedTemplate(NamedTuple):
    """A template that a provider keeps and messages use, for `doctor` to ask about."""

    about: str  # where it is set
    sid: str  # the provider's id of it
    locale: str  # the tag of the language that it is used for, "" for all that have none of their own
    filled: frozenset[str]  # the placeholders that get a value


def of_line(line: str, state: State) -> Diagnosis:
    """Return the diagnosis of a line as `check` prints it: `VARIABLE: what is wrong: what to write`."""
    about, _, rest = line.partition(": ")
    why, _, remedy = rest.rpartition(": ") if ": " in rest else (rest, "", "")
    return Diagnosis(about, state, why, remedy)
