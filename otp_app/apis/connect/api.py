"""The Connect API, as the server opens it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from importlib.util import find_spec
from typing import ClassVar

from flask import Response

from otp_app.apis.connect import errors, views
from otp_app.core.errors import OtpError
from otp_app.plugins.extras import install_command
from otp_app.plugins.loading import construct, load_object
from otp_app.settings import Settings
from otp_app.settings.diagnosis import Diagnosis, State
from otp_app.web.api import Api
from otp_app.web.rejections import Rejection
from otp_app.wiring import Services

PACKAGES = ("connectrpc", "sqlalchemy", "alembic")  # this module loads none of them
DATABASE = "otp_app.accounts.database:Database"
KEYS_NEEDED = (
    "OTP_API_KEYS: the API connect shows who has an account, so with OTP_PUBLIC=1 it needs keys "
    "(python -m otp_app keys new NAME)"
)
BY_NUMBER = (
    "OTP_CHECK_BY: the API connect checks by phone number, so with OTP_PUBLIC=1 and `id` strangers could still use up "
    "the attempts at a code: serve it without OTP_PUBLIC, or set `any`"
)


class ConnectApi(Api):
    """auth.AuthService and otp.OtpService."""

    sends: ClassVar = (views.sends,)
    checks: ClassVar = (views.checks,)
    others: ClassVar = (views.others,)
    prefixes = ("/auth.AuthService/", "/otp.OtpService/")

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self.state = load_object("otp_app.apis.connect.opening:open_connect", "API")(services)

    @classmethod
    def faults(cls, settings: Settings) -> list[str]:
        """The packages and the database must be there, and callers without a key must not learn who has an account."""
        if "connect" not in settings.otp_apis:
            return []
        if missing := [name for name in PACKAGES if not find_spec(name)]:
            return [f"OTP_APIS: the API connect needs another package: {install_command(missing[0])}"]
        lines = [KEYS_NEEDED] if settings.otp_public and not settings.otp_api_keys else []
        lines += [BY_NUMBER] if settings.otp_public and settings.otp_check_by == "id" else []
        try:
            with closing(construct(DATABASE, "database", settings.database_url)) as database:
                lines += [f"DATABASE_URL: {line}" for line in database.faults()]
        except ValueError as error:
            lines.append(f"DATABASE_URL: {error}")
        return lines

    @classmethod
    def unreachable(cls, settings: Settings) -> list[str]:
        """The database."""
        with closing(construct(DATABASE, "database", settings.database_url)) as database:
            try:
                database.look()
            except OtpError as error:
                return [f"DATABASE_URL: {error}"]
        return []

    @classmethod
    def examine(cls, settings: Settings) -> Iterator[Diagnosis]:
        """The broker, through which sign-ups ask for their codes."""
        if not settings.otp_amqp_url:
            return
        if fault := load_object("otp_app.bus.connecting:fault_of", "broker")(settings.otp_amqp_url):
            why = f"the broker cannot be reached ({fault}), so sign-ups get no code"
            yield Diagnosis("OTP_AMQP_URL", State.FAULT, why, "start it, or correct the address: docs/rabbitmq.md")
        else:
            yield Diagnosis("OTP_AMQP_URL", State.OK, "the broker can be reached")

    @classmethod
    def prepare(cls, settings: Settings) -> None:
        """The tables."""
        with closing(construct(DATABASE, "database", settings.database_url)) as database, suppress(OtpError):
            database.ping()

    def render_error(self, rejection: Rejection) -> Response:
        """`{"code": …, "message": …}`, as Connect writes it."""
        return errors.rendered(rejection)
