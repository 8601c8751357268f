"""The phone API, as the server opens it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

from flask import Response

from otp_app.apis.phone import views
from otp_app.apis.phone.session_tokens import SessionTokens
from otp_app.apis.phone.settings import PhoneSettings, PhoneVerification
from otp_app.apis.phone.state import Phone
from otp_app.channels.twilio.settings import TwilioSettings
from otp_app.core.delivery import Channel, CodeMaker
from otp_app.core.policy import Policy
from otp_app.core.texts import Texts
from otp_app.settings import Settings, policy
from otp_app.settings.checks import Words
from otp_app.settings.exposure import is_open
from otp_app.web.api import Api
from otp_app.web.rejections import Rejection
from otp_app.wiring import Services

SANDBOX = "PHONE_VERIFICATION: BACKEND: the sandbox has one code for all, so it is for this machine alone"


class PhoneApi(Api):
    """Session tokens and codes, as django-phone-verify has them: POST /api/phone/register and /api/phone/verify."""

    sends: ClassVar = (views.sends,)
    checks: ClassVar = (views.checks,)
    prefixes = (f"{views.PREFIX}/",)

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        chosen, keys = services.settings.of(PhoneSettings).phone_verification, services.keys
        self.state = Phone(
            services.verifications.with_profile(*profile(services.settings), name="phone"),
            SessionTokens(keys.for_use("session token"), keys.current, secrets.token_bytes),
            _new_code(chosen, services.channels),
            chosen,
        )

    @classmethod
    def faults(cls, settings: Settings) -> list[str]:
        """Messages need an account of Twilio's, and one code for all is for this machine alone."""
        lines, chosen = [], settings.of(PhoneSettings).phone_verification
        through_twilio = {"sms", "whatsapp"} & set(settings.otp_channels)
        if chosen.sid_fault and through_twilio and not settings.of(TwilioSettings).twilio_account_sid:
            lines.append(f"PHONE_VERIFICATION: {chosen.sid_fault}")
        if chosen.sandbox_code and is_open(settings):
            lines.append(SANDBOX)
        return lines

    @classmethod
    def advice(cls, settings: Settings) -> list[str]:
        """What PHONE_VERIFICATION has and is not done as it is written."""
        return [f"PHONE_VERIFICATION: {line}" for line in settings.of(PhoneSettings).phone_verification.advice]

    @classmethod
    def words(cls, settings: Settings) -> list[Words]:
        """Those of PHONE_VERIFICATION."""
        numbers, texts = profile(settings)
        if not settings.of(PhoneSettings).phone_verification.backend:
            return [Words.of(settings, texts)]
        return [Words("PHONE_VERIFICATION", texts, max(numbers.length, numbers.raised_length), for_apps=False)]

    def render_error(self, rejection: Rejection) -> Response:
        """`{"detail": text}`, in the words of Django REST framework."""
        return views.detail(rejection)


def profile(settings: Settings) -> tuple[Policy, Texts]:
    """Return the figures and words, as PHONE_VERIFICATION has them."""
    usual, chosen = policy.numbers(settings), settings.of(PhoneSettings).phone_verification
    words = policy.texts(settings, built_in={})  # as the original: what the operator has not translated is as it was
    if not chosen.backend:
        return usual, words
    own = replace(
        usual,
        ttl=chosen.ttl,
        length=chosen.code_length,
        raised_length=max(usual.raised_length, chosen.code_length),
        api_attempts=chosen.max_attempts,
        once_only=chosen.once_only,
    )
    return own, replace(words, default=chosen.message, app_name=chosen.app_name)


def _new_code(chosen: PhoneVerification, channels: Sequence[Channel]) -> Callable[[], str]:
    if fixed := chosen.sandbox_code:
        return lambda: fixed
    maker = next((channel for channel in channels if isinstance(channel, CodeMaker)), None)
    return maker.new_code if maker else lambda: ""
