"""The demo, as the server opens it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from flask import Response

from otp_app.apis.demo import views
from otp_app.apis.demo.state import Demo
from otp_app.core.delivery import error_pages
from otp_app.settings import Settings
from otp_app.settings.exposure import is_open
from otp_app.web.api import Api
from otp_app.web.rejections import Rejection
from otp_app.wiring import Services

SHUT = (
    "OTP_APIS: /demo is off, because OTP_API_KEYS is set and a browser has no key: to try it, start a server without "
    "OTP_API_KEYS on your own machine, or let everybody send codes from here with OTP_PUBLIC=1; else remove demo"
)


class DemoApi(Api):
    """The page /demo, and its forms for browsers without scripts."""

    sends: ClassVar = (views.sends,)
    checks: ClassVar = (views.checks,)
    others: ClassVar = (views.pages,)
    prefixes: ClassVar = ("/demo/",)
    pages: ClassVar = {"/demo": "Send a code to a phone, and watch it arrive"}

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        settings = services.settings
        self.state = Demo(
            channels=tuple(channel.name for channel in services.channels),
            digits=settings.otp_code_length,
            scripted="native" in settings.otp_apis,
            error_pages=next(filter(None, map(error_pages, services.channels)), ""),
            is_shut=is_shut(settings),
            watched=not services.is_open,  # elsewhere a verification is shown to those who have a key
        )

    @classmethod
    def advice(cls, settings: Settings) -> list[str]:
        """Say where it is named, and nobody can open it."""
        return [SHUT] * ("demo" in settings.otp_apis and is_shut(settings))

    @classmethod
    def open_pages(cls, settings: Settings) -> Mapping[str, str]:
        """None while it is shut."""
        return {} if is_shut(settings) else cls.pages

    def render_error(self, rejection: Rejection) -> Response:
        """The page again, with what to do."""
        return views.rejected(rejection)


def is_shut(settings: Settings) -> bool:
    """Return whether each of its requests needs an API key, which no browser has."""
    return is_open(settings) and not settings.otp_public
