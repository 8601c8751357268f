"""The operator's pages, as the server opens them."""

from __future__ import annotations

import secrets
from typing import ClassVar

from flask import Response, request

from otp_app.apis.operator import action_views, login_views, views
from otp_app.apis.operator.access import LIVE, forget, is_link_from_another_site, shown_cookie
from otp_app.apis.operator.pages import PATH, Pages
from otp_app.apis.operator.sessions import SCOPE, Sessions
from otp_app.apis.operator.state import Operator, Past
from otp_app.history.reading import Reader
from otp_app.settings import Settings, policy
from otp_app.web import errors
from otp_app.web.api import Api
from otp_app.web.rejections import Rejection
from otp_app.wiring import Services

NO_KEYS = (
    "OTP_API_KEYS: the API operator lets in API keys with the scope admin only, and there is none "
    "(python -m otp_app keys new operator --scopes admin)"
)


class OperatorApi(Api):
    """/operator, for people who look after this server."""

    others: ClassVar = (login_views.bp, views.bp, action_views.bp)
    pages: ClassVar = {PATH: "See what was sent, what arrived and what failed"}
    prefixes = (f"{PATH}/",)

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        settings, history = services.settings, services.history
        sessions = Sessions(
            services.keys.for_use("operator sessions"), settings.otp_api_keys, store=services.store, ids=services.ids,
            clock=services.clock, random_bytes=secrets.token_bytes,
        )  # fmt: skip
        past = Past(Reader(history.database, history.numbers), history.database) if history else None
        self._pages = Pages()
        self.state = Operator(sessions, self._pages, policy.numbers(settings), past)

    @classmethod
    def advice(cls, settings: Settings) -> list[str]:
        """Without a key of its scope nobody can log in."""
        is_served, keys = "operator" in settings.otp_apis, settings.otp_api_keys
        return [NO_KEYS] if is_served and not any(SCOPE in key.scopes for key in keys) else []

    def render_error(self, rejection: Rejection) -> Response:
        """As a page; whoever has no session is led to the log-in. The script gets JSON."""
        if LIVE in request.headers:
            return errors.render(rejection)
        if rejection.status == 401:
            return self._without_session()
        return self._pages.render(
            "error", rejection.status, text=rejection.text, status=rejection.status,
            retry_after=rejection.retry_after, is_form=request.method == "POST",
        )  # fmt: skip

    def _without_session(self) -> Response:
        """Lead to the log-in, or to the same page again where a link on another site has kept the cookie back."""
        if shown_cookie(request) is None and is_link_from_another_site():
            return self._pages.render("arrival", path=request.full_path.rstrip("?"))
        answer = Response(status=303, headers={"Location": f"{PATH}/login"})
        if shown_cookie(request) is not None:
            forget(answer)
        return answer
