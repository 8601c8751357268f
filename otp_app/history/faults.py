"""What goes wrong: the errors of a time, each with how often and when it was seen, and an example."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

from otp_app.core.endings import Kind
from otp_app.history.database import Database, NotBegunError, Session

_GROUPS = (
    "SELECT kind, error, error_code, CASE WHEN kind = ? THEN subject ELSE '' END AS template, COUNT(*), MIN(begun), "
    "MAX(begun) FROM otp_history WHERE error <> '' AND begun >= ? AND kind = ? "
    "GROUP BY kind, error, error_code, template"
)
_EXAMPLE = (
    "SELECT id, messages FROM otp_history WHERE error <> '' AND begun = ? AND kind = ? AND error = ? "
    "AND error_code = ? LIMIT 1"
)


class Fault(NamedTuple):
    """One kind of error. An error counts although another message of the same verification arrived."""

    kind: str  # endings.Kind
    error: str  # the class; see endings.Ending
    error_code: int  # the provider's, 0 without one
    template: str  # of a notification; "" of a verification
    times: int  # of verifications or notifications
    first: float  # wall clock, seconds
    last: float
    example: str  # id of the last one
    messages: str  # of that one; see rows.messages_in


def faults_since(database: Database, kind: Kind, since: float, most: int) -> list[Fault]:
    """Return what went wrong with those of a kind that began since then (wall clock, seconds), the most first.

    Raises StoreUnavailable.
    """
    with suppress(NotBegunError), database.reading() as session:
        groups = session.rows(_GROUPS, (str(Kind.NOTIFICATION), since, str(kind)))
        groups = sorted(groups, key=lambda group: -group[4])[:most]
        return [Fault._make((*group, *_example(session, group))) for group in groups]
    return []


def _example(session: Session, group: tuple[Any, ...]) -> tuple[str, str]:
    kind, error, code, *_, last = group
    found = session.rows(_EXAMPLE, (last, kind, error, code))
    return (found[0][0], found[0][1]) if found else ("", "[]")
