"""Finds what a page shows, and renders it for somebody who has logged in."""

from __future__ import annotations

from typing import Any

from flask import Response

from otp_app.apis.operator import cases
from otp_app.apis.operator.access import session
from otp_app.apis.operator.cases import Case
from otp_app.apis.operator.overview import Overview, overview
from otp_app.apis.operator.state import Operator
from otp_app.core.endings import Kind
from otp_app.core.errors import VerificationNotFound
from otp_app.core.notifications import view_of
from otp_app.core.phone import country_of, mask
from otp_app.core.policy import DAY
from otp_app.history.reading import MOST_SEARCHED, Sums
from otp_app.web.current import services, state

FORGOTTEN = "Nothing is known of this id. What ended long ago is forgotten."
NO_MESSAGE = (
    f"No message with this id is among the newest {MOST_SEARCHED:,} that have ended. One that is pending is found "
    "by its number, which the provider's console shows."
)


def page(name: str, status: int = 200, **values: Any) -> Response:
    """Return a page."""
    operator, opened = state(Operator), session()
    token = operator.sessions.form_token(opened)
    return operator.pages.render(name, status, form_token=token, key_name=opened.key.name, **values)


def number_page(phone: str, done: str = "") -> Response:
    """Return the page of a number (E.164). Raises StoreUnavailable."""
    operator, parts = state(Operator), services()
    rows = operator.past.reader.of_number(phone, cases.MOST_ROWS + 1) if operator.past else []
    found = cases.of_number(
        phone, (mask(phone), country_of(phone)), parts.verifications.numbers.find(phone), rows, parts.clock(),
        operator.policy, parts.channels,
    )
    return page("number", number=found, done=done)


def overview_of(kind: Kind) -> Overview | None:
    """Return the first screen; None without a history. Raises StoreUnavailable."""
    past, now = state(Operator).past, services().clock().wall
    return overview(past.reader, past.database, services().channels, kind, now) if past else None


def sent_by_key(days: int) -> dict[Kind, dict[str, Sums]]:
    """Return what was sent with each API key in the last days; nothing without a history. Raises StoreUnavailable."""
    past, since = state(Operator).past, services().clock().wall - (days - 1) * DAY
    return {kind: dict(past.reader.sums(kind, "key", since)) for kind in Kind} if past else {}


def case_of(id_: str) -> Case | None:
    """Return what is known of a verification or a notification. Raises StoreUnavailable."""
    if not (cases.VERIFICATION.fullmatch(id_) or cases.NOTIFICATION.fullmatch(id_)):
        return None
    if found := _case_in_store(id_):
        return found
    past = state(Operator).past
    row = past.reader.by_id(id_) if past else None
    return cases.of_row(row, services().channels) if row else None


def _case_in_store(id_: str) -> Case | None:
    """Return what the store has: a verification until an hour after its end, a notification for two days."""
    channels = services().channels
    if cases.NOTIFICATION.fullmatch(id_):
        view = view_of(services().store, id_, services().clock())
        return cases.of_notification(view, channels) if view else None
    try:
        return cases.of_view(services().verifications.status(id_), channels)
    except VerificationNotFound:
        return None


def id_of_message(provider_id: str) -> str:
    """Return the id of what a message of the provider belongs to, "" where the history does not have it.

    Raises StoreUnavailable.
    """
    past = state(Operator).past
    return past.reader.id_by_provider(provider_id) if past else ""
