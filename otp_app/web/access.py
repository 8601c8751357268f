"""Who may call a view, said at the view: @requires("send")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Request

from otp_app.settings import Settings
from otp_app.web.client import Caller

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Credentials:
    """Credentials of another kind than API keys, for an API whose clients bring them."""

    scheme: str  # its name among the securitySchemes of the API's OpenAPI document
    identify: Callable[[Request, Settings], Caller]  # raises Unauthorized, Forbidden
    curl: Callable[[Settings], str]  # the option that shows them
    pages: bool = True  # whether a page in a browser may show them


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call a view. While no API keys are configured every program on this machine may."""

    scope: str | None  # of an API key; None: every caller, always
    public: bool = False  # with OTP_PUBLIC=1 no key is needed
    credentials: Credentials | None = None  # instead of an API key
    callback: bool = False  # a provider calls it, at OTP_PUBLIC_URL; the view checks the signature
    page: bool = False  # for people in a browser, so it is no part of the OpenAPI document


def requires(
    scope: str | None, *, public: bool = False, credentials: Credentials | None = None, callback: bool = False,
    page: bool = False,
) -> Callable[[View], View]:
    """Mark a view with who may call it; guard reads it."""

    def mark(view: View) -> View:
        view.access = Access(scope, public, credentials, callback, page)  # type: ignore[attr-defined]
        return view

    return mark
