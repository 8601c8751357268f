"""The users API, as the server opens it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from typing import ClassVar

from flask import Response, jsonify

from otp_app.apis.users import views
from otp_app.apis.users.directories import open_directory
from otp_app.apis.users.settings import UsersSettings
from otp_app.apis.users.state import Users
from otp_app.core.errors import DirectoryUnavailable
from otp_app.core.texts import Texts
from otp_app.settings import Settings, policy
from otp_app.settings.checks import Words
from otp_app.settings.diagnosis import Diagnosis, State
from otp_app.web.api import Api
from otp_app.web.rejections import Rejection
from otp_app.wiring import Counted, Pingable, Services

TEXT = "Your verification code is: {code}. This code expires in {minutes} minutes."


class UsersApi(Api):
    """Codes by user id: POST /send-code and /verify-code. Three attempts; how a verification ended is reported once."""

    sends: ClassVar = (views.sends,)
    checks: ClassVar = (views.checks,)
    endpoints: ClassVar = {"send_code": "POST /send-code", "verify_code": "POST /verify-code"}

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        settings, usual = services.settings, services.verifications
        own = replace(policy.numbers(settings), api_attempts=3, report_end_once=True)
        directory = services.opened["directory"] = open_directory(settings.of(UsersSettings).otp_directory_url)
        verifications = usual.with_profile(own, _texts(settings), "users")
        self.state = Users(verifications, directory, settings.of(UsersSettings).otp_users_expose_phone)

    @classmethod
    def faults(cls, settings: Settings) -> list[str]:
        """The directory must open, and callers without a key must not learn which users are in it."""
        lines, served = [], "users" in settings.otp_apis
        given = bool(settings.of(UsersSettings).otp_directory_url)
        if served and not given:
            lines.append("OTP_DIRECTORY_URL: the API users needs it, such as file:var/users.csv")
        elif given and (line := _directory_fault(settings)):
            lines.append(line)
        if settings.otp_public and not settings.otp_api_keys and served:
            lines.append(
                "OTP_API_KEYS: the API users shows which users are known, so with OTP_PUBLIC=1 it needs keys "
                "(python -m otp_app keys new NAME)"
            )
        return lines

    @classmethod
    def words(cls, settings: Settings) -> list[Words]:
        """Its own."""
        return [Words.of(settings, _texts(settings))]

    @classmethod
    def unreachable(cls, settings: Settings) -> list[str]:
        """The directory, where it can be asked."""
        with closing(open_directory(settings.of(UsersSettings).otp_directory_url)) as directory:
            try:
                if isinstance(directory, Pingable):
                    directory.ping()
            except DirectoryUnavailable as error:
                return [f"OTP_DIRECTORY_URL: {error}"]
        return []

    @classmethod
    def examine(cls, settings: Settings) -> Iterator[Diagnosis]:
        """Count the users, where the directory can; what is wrong with it is among the unreachable."""
        opened = closing(open_directory(settings.of(UsersSettings).otp_directory_url))
        with opened as directory, suppress(DirectoryUnavailable):
            if isinstance(directory, Counted):
                yield Diagnosis("OTP_DIRECTORY_URL", State.OK, f"it can be read, users: {directory.count()}")

    def render_error(self, rejection: Rejection) -> Response:
        """`{"detail": text}`, as FastAPI writes it."""
        response = jsonify({"detail": rejection.text})
        response.status_code = rejection.status
        return response


def _texts(settings: Settings) -> Texts:
    return policy.texts(settings, default=TEXT)


def _directory_fault(settings: Settings) -> str:
    try:
        with closing(open_directory(settings.of(UsersSettings).otp_directory_url)):
            return ""
    except ValueError as error:
        return f"OTP_DIRECTORY_URL: {error}"
