"""The figures and words of each face. A code of one face keeps to the tries and caps of the number all the same."""

from __future__ import annotations

from dataclasses import replace

from otp_app.apis.verify_v2.service_registry import VerifyService
from otp_app.core.policy import Policy
from otp_app.core.texts import Texts
from otp_app.settings import Settings

USERS_TEXT = "Your verification code is: {code}. This code expires in {minutes} minutes."
VERIFY_TEXT = "Your {app} verification code is: {code}"
DO_NOT_SHARE = ". Do not share it with anyone."


def policy(settings: Settings) -> Policy:
    """Return the rules' numbers as the operator set them."""
    return Policy(
        ttl=settings.otp_ttl,
        length=settings.otp_code_length,
        raised_length=settings.otp_code_length_raised,
        max_attempts=settings.otp_max_attempts,
        gaps=settings.otp_resend_gaps,
        sends_per_hour=settings.otp_sends_per_hour,
        sends_per_day=settings.otp_sends_per_day,
        keyed_reserve=settings.otp_keyed_reserve,
        cool_downs=settings.otp_cool_downs,
        risk_raise=settings.otp_risk_raise,
        risk_lower=settings.otp_risk_lower,
        new_code_on_resend=settings.otp_resend_new_code,
        reused="phone" in settings.otp_apis and not settings.phone_verification.once_only,
    )


def texts(settings: Settings, default: str = "") -> Texts:
    """Return the words of messages; `default` is a face's own for where the operator chose none."""
    message = settings.otp_message or default or Texts().default
    return Texts(message, settings.otp_messages, settings.otp_app_name, settings.otp_origin)


def users(settings: Settings) -> tuple[Policy, Texts]:
    """Those of the users face: three guesses, and how a verification ended is told once."""
    return replace(policy(settings), api_attempts=3, report_end_once=True), texts(settings, default=USERS_TEXT)


def phone(settings: Settings) -> tuple[Policy, Texts]:
    """Those of the phone-verify face, as PHONE_VERIFICATION has them."""
    usual, chosen = policy(settings), settings.phone_verification
    if not chosen.backend:
        return usual, texts(settings)
    words = replace(texts(settings), default=chosen.message, app_name=chosen.app_name)
    return replace(
        usual,
        ttl=chosen.ttl,
        length=chosen.code_length,
        raised_length=max(usual.raised_length, chosen.code_length),
        api_attempts=chosen.max_attempts,
        once_only=chosen.once_only,
    ), words


def verify(settings: Settings, service: VerifyService) -> tuple[Policy, Texts]:
    """Those of Twilio Verify: ten minutes whatever the resends, no gaps, five messages and five guesses."""
    usual = policy(settings)
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
    text = VERIFY_TEXT if app else VERIFY_TEXT.replace("{app} ", "")
    words = texts(settings, default=text + DO_NOT_SHARE * service.do_not_share)
    return own, replace(words, app_name=app)
