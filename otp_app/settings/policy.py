"""The figures of the rules and the words of messages, as the operator set them."""

from __future__ import annotations

from collections.abc import Mapping

from otp_app.core import languages
from otp_app.core.policy import Policy
from otp_app.core.texts import Texts
from otp_app.settings import Settings


def numbers(settings: Settings) -> Policy:
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
        reused=any(model.reuses_codes for name, model in settings.apis.items() if name in settings.otp_apis),
    )


def texts(settings: Settings, default: str = "", built_in: Mapping[str, str] | None = None) -> Texts:
    """Return the words of messages.

    `default` and `built_in` are an API's own for where the operator chose none: its text in English, and those in other
    languages. Without either, an API has those of the server; with a default alone, that in English only.
    """
    own, built_in = settings.otp_message, languages.PLAIN if built_in is None and not default else built_in or {}
    message = own or default or Texts().default
    return Texts(
        message, settings.otp_messages, settings.otp_app_name, settings.otp_origin, built_in={} if own else built_in
    )
