"""The demo, as the server opens it."""

from __future__ import annotations

from typing import ClassVar

from flask import Response

from otp_app.apis.demo import views
from otp_app.apis.demo.state import Demo
from otp_app.settings import Settings
from otp_app.web.api import Api
from otp_app.web.rejections import Rejection
from otp_app.wiring import Services

NO_KEY = "OTP_APIS: demo is a page, and browsers have no API key: set OTP_PUBLIC=1 too, or remove demo"


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
            watched=not services.is_open,  # elsewhere a verification is shown to those who have a key
        )

    @classmethod
    def advice(cls, settings: Settings) -> list[str]:
        """It needs callers without a key."""
        shut = "demo" in settings.otp_apis and bool(settings.otp_api_keys) and not settings.otp_public
        return [NO_KEY] * shut

    def render_error(self, rejection: Rejection) -> Response:
        """The page again, with what to do."""
        return views.rejected(rejection)
