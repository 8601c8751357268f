"""What an API is: a class like this one in a folder of otp_app/apis, and one line in the table there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from flask import Blueprint, Response

from otp_app.settings import Settings
from otp_app.settings.checks import SettingsChecks
from otp_app.web import errors
from otp_app.web.rejections import Rejection
from otp_app.wiring import Services


class Api(SettingsChecks):
    """One API, opened over the services of the server. Each default is that of an API with nothing of its own.

    `state` is what its views work with: they find it by its class, with current.state.
    """

    #: blueprints whose requests count against OTP_CLIENT_LIMITS, against OTP_CHECK_LIMITS, and against neither
    sends: ClassVar[tuple[Blueprint, ...]] = ()
    checks: ClassVar[tuple[Blueprint, ...]] = ()
    others: ClassVar[tuple[Blueprint, ...]] = ()

    #: errors of every path below these have the shape of this API, such as "/v2/", as those of its views have
    prefixes: ClassVar[tuple[str, ...]] = ()

    #: what `GET /` says of it: requests by name, such as {"send_code": "POST /send-code"}, and by the path of each page
    #: what people do there
    endpoints: ClassVar[Mapping[str, str]] = {}
    pages: ClassVar[Mapping[str, str]] = {}

    def __init__(self, services: Services) -> None:
        """Open it. What it opens and others must close goes into services.opened."""
        self.services = services
        self.state: object = None

    @classmethod
    def open_pages(cls, settings: Settings) -> Mapping[str, str]:  # noqa: ARG003  an API may have pages that settings shut
        """Return the pages to lead people to: in `GET /`, in the header of pages and in the log at the start."""
        return cls.pages

    def blueprints(self) -> tuple[Blueprint, ...]:
        """Return all that is served, each view marked with access.requires."""
        return self.sends + self.checks + self.others

    def documents(self, folder: Path) -> list[Path]:
        """Return the parts of its OpenAPI document, of which those that are there are served."""
        return [folder / "openapi.json"]

    def render_error(self, rejection: Rejection) -> Response:
        """Return the answer for a request that was not done, in the shape of this API."""
        return errors.render(rejection)
