"""The Verify API, as the server opens it."""

from __future__ import annotations

import secrets
from dataclasses import replace
from functools import lru_cache
from typing import ClassVar

from flask import Response

from otp_app.apis.verify_v2 import attempt_views, errors, service_views, verification_views
from otp_app.apis.verify_v2.service_registry import VerifyService, VerifyServices
from otp_app.apis.verify_v2.settings import VerifySettings
from otp_app.apis.verify_v2.state import Verify
from otp_app.core import languages
from otp_app.core.policy import Policy
from otp_app.core.results import DEFAULT_PURPOSE
from otp_app.core.service import VerificationService
from otp_app.core.texts import Texts
from otp_app.history.attempts import Attempts
from otp_app.settings import Settings, policy
from otp_app.settings.checks import Words
from otp_app.settings.exposure import is_open
from otp_app.web.api import Api
from otp_app.web.rejections import Rejection
from otp_app.wiring import Services

TEXT = "Your {app} verification code is: {code}"
NO_ACCOUNTS = (
    "OTP_VERIFY_ACCOUNTS: the API verify_v2 of a server that others can reach needs accounts "
    "(python -m otp_app keys account)"
)
MOST_DIGITS = 10  # of a code that a client chooses
DO_NOT_SHARE = ". Do not share it with anyone."


class VerifyApi(Api):
    """Twilio's Verify v2: verifications, checks and services, below /v2."""

    sends: ClassVar = (verification_views.sends,)
    checks: ClassVar = (verification_views.checks,)
    others: ClassVar = (verification_views.others, service_views.bp, attempt_views.bp)
    prefixes = (errors.PREFIX,)

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        settings, usual = services.settings, services.verifications
        numbers = policy.numbers(settings)

        @lru_cache(maxsize=256)  # services change seldom, and each request needs those of one
        def verifications(service: VerifyService) -> VerificationService:
            return usual.with_profile(*profile(numbers, settings, service))

        self.state = Verify(_registry(services), verifications, _attempts(services))

    @classmethod
    def faults(cls, settings: Settings) -> list[str]:
        """A server that others can reach needs accounts."""
        served = "verify_v2" in settings.otp_apis
        return [NO_ACCOUNTS] if served and is_open(settings) and not settings.of(VerifySettings).has_callers else []

    @classmethod
    def words(cls, settings: Settings) -> list[Words]:
        """Those of the services of the settings; others are made later, and have names and warnings of their own."""
        _, texts = profile(policy.numbers(settings), settings, VerifyService("", DEFAULT_PURPOSE, DEFAULT_PURPOSE))
        chosen = any(service.custom_code for service in settings.of(VerifySettings).otp_verify_services.values())
        words = Words.of(settings, texts, for_apps=True)
        return [words._replace(digits=MOST_DIGITS) if chosen else words]

    def render_error(self, rejection: Rejection) -> Response:
        """In Twilio's shape, with Twilio's number."""
        return errors.translated(rejection)


def profile(usual: Policy, settings: Settings, service: VerifyService) -> tuple[Policy, Texts]:
    """Return the figures and words of a service: ten minutes, no gaps, five messages and attempts."""
    own = replace(
        usual,
        ttl=usual.max_life,
        length=service.code_length,
        raised_length=max(usual.raised_length, service.code_length),
        api_attempts=5,
        sends_per_verification=5,
        gaps=(),
    )
    app = settings.otp_app_name if service.configured else service.name
    text = TEXT if app else TEXT.replace("{app} ", "")
    warning = DO_NOT_SHARE if service.do_not_share else ""
    others = languages.templates(named=bool(app), warning=service.do_not_share)
    return own, replace(policy.texts(settings, text + warning, others), app_name=app)


def _attempts(services: Services) -> Attempts | None:
    return Attempts(services.history.database, services.history.numbers) if services.history else None


def _registry(services: Services) -> VerifyServices:
    settings = services.settings
    configured = [
        VerifyService(sid, chosen.purpose, chosen.purpose, custom_code=chosen.custom_code)
        for sid, chosen in settings.of(VerifySettings).otp_verify_services.items()
    ]
    accounts = {holder.account for holder in settings.of(VerifySettings).otp_verify_accounts}
    return VerifyServices(services.store, services.clock, secrets.token_bytes, configured, accounts)
