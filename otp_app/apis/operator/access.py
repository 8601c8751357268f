"""Who may see the pages: whoever has a session, which is in a cookie."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from flask import Request, g, request

from otp_app.apis.operator.pages import PATH
from otp_app.apis.operator.sessions import Session
from otp_app.apis.operator.state import Operator
from otp_app.settings import Settings
from otp_app.web import client, form
from otp_app.web.access import Credentials
from otp_app.web.client import Caller, Forbidden, Unauthorized
from otp_app.web.current import scheme, state

if TYPE_CHECKING:
    from flask import Response

COOKIE = "otp_operator"
_SHOWN = re.compile(rf"(?:^|[;,])[ \t]*+{COOKIE}=([^;,]*+)")
LIVE = "X-Live"  # a script asks, nobody has done anything


def operator_of_session(asked: Request, settings: Settings) -> Caller:
    """Return who has logged in. Raises Unauthorized, StoreUnavailable."""
    found = state(Operator).sessions.find(shown_cookie(asked) or "")
    if found is None:
        raise Unauthorized("Log in with an API key with the scope admin")
    g.operator = found
    address = client.address(asked.environ, settings.otp_trusted_proxies)
    return Caller(found.key.name, address, found.key.scopes)


def shown_cookie(asked: Request) -> str | None:
    """Return the cookie of a session, None where none was sent. Nothing else of the header is read: it may be long."""
    found = _SHOWN.search(asked.environ.get("HTTP_COOKIE", ""))
    return found[1] if found else None


SESSION = Credentials("operator", operator_of_session, lambda _: "-b otp_operator=COOKIE")


def session() -> Session:
    """Return the session of the request at hand."""
    return cast("Session", g.operator)


def fields() -> dict[str, str]:
    """Return the fields of a form of a session. Raises Forbidden, and what form.fields raises."""
    reject_other_sites()
    found = form.fields()
    if not state(Operator).sessions.is_form_token(session(), found.pop("form_token", "")):
        raise Forbidden("The form is not from this session: open the page again")
    return found


def reject_other_sites() -> None:
    """Raise Forbidden where a page of another origin has sent a form. Newer browsers say so in two ways."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if form.from_another_site(request.environ) or site not in ("same-origin", "none"):
        raise Forbidden("The form is from another site, or a proxy has changed the Host header")


def is_link_from_another_site() -> bool:
    """Whether somebody has followed a link, for which a browser sends no cookie of SameSite=Strict."""
    return request.method == "GET" and request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")


def renew(response: Response) -> Response:
    """Let a session live on, since its operator has asked for a page."""
    found: Session | None = g.get("operator")
    renewed = found and LIVE not in request.headers and state(Operator).sessions.renewed(found)
    if renewed and not g.get("operator_left"):
        keep(response, renewed)
    return response


def keep(response: Response, opened: Session) -> None:
    """Put a session into the cookie."""
    response.set_cookie(
        COOKIE, state(Operator).sessions.token(opened), path=PATH, secure=scheme() == "https", httponly=True,
        samesite="Strict",
    )


def forget(response: Response) -> None:
    """Take the session out of the cookie."""
    g.operator_left = True
    response.delete_cookie(COOKIE, path=PATH, secure=scheme() == "https", httponly=True, samesite="Strict")
