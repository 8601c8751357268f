"""Session tokens, the credentials of the RPCs of a user: `Authorization: Bearer SESSION_TOKEN`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import Request, g

from otp_app.apis.connect.state import Connect
from otp_app.settings import Settings
from otp_app.web import client
from otp_app.web.access import Credentials
from otp_app.web.client import Caller, Unauthorized
from otp_app.web.current import state
from otp_app.web.guard import count_wrong_key

if TYPE_CHECKING:
    from otp_app.accounts.service import Session


def user_of_session(asked: Request, settings: Settings) -> Caller:
    """Return the user whose session token is shown. Raises Unauthorized, NoSession, TooManyWrongKeys.

    What is no session token is counted as a wrong key. One that has ended is not: its client only has to log in.
    """
    address = client.address(asked.environ, settings.otp_trusted_proxies)
    kind, _, token = asked.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer":
        raise Unauthorized("A session token is needed: Authorization: Bearer SESSION_TOKEN")
    if not token.startswith("ses_"):
        count_wrong_key(address)
        raise Unauthorized("This is no session token")
    g.session = state(Connect).accounts.session(token)
    return Caller(f"user {g.session.user.id}", address, frozenset(("send", "verify")), is_person=True)


def session() -> Session:
    """Return the session of the request at hand."""
    return cast("Session", g.session)


SESSION = Credentials("session", user_of_session, lambda _: '-H "Authorization: Bearer $SESSION_TOKEN"')
