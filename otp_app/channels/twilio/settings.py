"""The settings of Twilio, which all channels through it share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar

from msgspec import Meta

from otp_app.settings.model import Model, Setting, fields_of
from otp_app.settings.types import origin, shape

#: where Twilio posts what became of a message, below OTP_PUBLIC_URL: then the verification and the send follow
STATUS_PATH = "/callbacks/twilio/status"
#: where Twilio posts what people write to a sender
INBOUND_PATH = "/callbacks/twilio/inbound"

#: these alone do not say that messages go through Twilio
OF_NO_ACCOUNT = {"twilio_webhook_keys", "twilio_api_base_url", "twilio_timeout"}


def _sid(prefix: str) -> Meta:
    return shape(f"{prefix}[0-9a-fA-F]{{32}}")


#: numbers of documents and films, and those of Twilio's test credentials: nobody sends from one
_NOBODYS = re.compile(r"(whatsapp:)?\+1(555[0-9]{7}|[0-9]{3}55501[0-9]{2}|500555[0-9]{4})")
_LEAST_DIFFERENT = 6  # of 32 hex digits: random ones have more
_COUNTED, _ZEROS = "12345678", "0" * 32


def _is_made_up(value: str) -> bool:
    """Return whether an id has such digits as people write in place of their own."""
    digits = value[2:].lower()
    return len(set(digits)) < _LEAST_DIFFERENT or _COUNTED in digits


def _webhook_keys(text: str) -> str:
    """Read shared keys: of two secrets with one id the first would be lost."""
    ids = [key.partition(":")[0] for key in text.split(",")]
    if len(set(ids)) < len(ids):
        raise ValueError("an id is written twice: keep one of its secrets")
    return text


class TwilioSettings(Model, frozen=True, kw_only=True):
    """The account, the senders, and how long to wait for an answer."""

    prefix: ClassVar = "TWILIO_"
    foreign: ClassVar = frozenset({"TWILIO_REGION", "TWILIO_EDGE"})

    twilio_account_sid: Annotated[str, _sid("AC"), Setting(
        "The account.", group="Twilio", form="`AC` and 32 hex digits, as Twilio shows it",
    )] = ""
    twilio_auth_token: Annotated[str, Setting(
        "Opens the whole account; an API key is better. Receipts (`OTP_PUBLIC_URL`) are signed with it all the same.",
        secret=True,
    )] = ""
    twilio_webhook_keys: Annotated[str, shape(r"[\w.-]+:[^\s:,]+(,[\w.-]+:[^\s:,]+)*", 1000), Setting(
        "Shared keys, where Twilio signs receipts with them instead of the token.",
        form="`ID:SECRET`, several with commas", read=_webhook_keys, secret=True,
    )] = ""
    twilio_api_key_sid: Annotated[str, _sid("SK"), Setting(
        "Used instead of the token where both of its parts are set.", form="`SK` and 32 hex digits, as Twilio shows it",
    )] = ""
    twilio_api_key_secret: Annotated[str, Setting("Secret of the API key.", secret=True)] = ""
    twilio_phone_number: Annotated[str, Setting("Sender of `sms`.")] = ""
    twilio_whatsapp_number: Annotated[str, shape(r"(whatsapp:)?\+[1-9][0-9]{6,14}"), Setting(
        "Sender of `whatsapp`, with or without `whatsapp:` before it.",
        form="a number in E.164 form, such as `+14155552671`",
    )] = ""
    twilio_messaging_service_sid: Annotated[str, _sid("MG"), Setting(
        "Pool of senders. `sms` prefers it to the number; `whatsapp` uses it without a number, with "
        "`TWILIO_CONTENT_SID`.", form="`MG` and 32 hex digits, as Twilio shows it",
    )] = ""
    twilio_content_sid: Annotated[str, _sid("HX"), Setting(
        "The approved WhatsApp template. Its variable 1 is the code.",
        form="`HX` and 32 hex digits, as Twilio shows it",
    )] = ""
    twilio_verification_service_sid: Annotated[str, _sid("VA"), Setting(
        "The Verify service of `twilio_verify`, which makes, sends and checks the codes.",
        form="`VA` and 32 hex digits, as Twilio shows it",
    )] = ""
    twilio_verify_service_sid: Annotated[str, _sid("VA"), Setting(
        "Another name for `TWILIO_VERIFICATION_SERVICE_SID`. If both are set, that one is used.",
        form="`VA` and 32 hex digits, as Twilio shows it",
    )] = ""
    twilio_api_base_url: Annotated[str, Setting(
        "A stand-in for Twilio, for tests.", form="`https://HOST` and nothing after it; `http://` for tests",
        default="not set: Twilio", read=origin,
    )] = ""
    twilio_timeout: Annotated[float, Meta(ge=0.1, le=12), Setting(
        "Seconds for one request to Twilio, retries and pauses included.",
    )] = 8

    @property
    def placeholders(self) -> list[str]:
        """Ids that nobody has and senders that nobody owns; behind a stand-in for Twilio all but zeros may be right."""
        stands_in = bool(self.twilio_api_base_url)
        ids = [(found.variable, getattr(self, found.name)) for found in fields_of(type(self))
               if found.name.endswith("_sid")]
        found = [name for name, sid in ids if sid and (sid.endswith(_ZEROS) or (not stands_in and _is_made_up(sid)))]
        senders = [("TWILIO_PHONE_NUMBER", self.twilio_phone_number)]
        senders += [("TWILIO_WHATSAPP_NUMBER", self.twilio_whatsapp_number)]
        return found + [name for name, number in senders if not stands_in and _NOBODYS.fullmatch(number)]

    @property
    def credentials(self) -> tuple[str, str]:
        """User and password of requests: the API key where there is one, else account and token."""
        if self.twilio_api_key_sid and self.twilio_api_key_secret:
            return self.twilio_api_key_sid, self.twilio_api_key_secret
        return self.twilio_account_sid, self.twilio_auth_token

    @property
    def webhook_keys(self) -> dict[str, str]:
        """The secrets of shared keys, by their ids."""
        keys = (key.partition(":") for key in self.twilio_webhook_keys.split(",") if key)
        return {key_id: secret for key_id, _, secret in keys}

    @property
    def verify_service(self) -> str:
        """The Verify service that makes the codes of `twilio_verify`, "" without one."""
        return self.twilio_verification_service_sid or self.twilio_verify_service_sid

    @classmethod
    def implied(cls, given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Return the channels that these variables are set for; the start rejects a part of them."""
        own = {name for name in given if name.startswith("twilio_")} - OF_NO_ACCOUNT
        if not own:
            return {}, {}
        if {"twilio_verification_service_sid", "twilio_verify_service_sid"} & own:
            return {"otp_channels": "twilio_verify"}, {}
        whatsapp = "twilio_whatsapp_number" in own
        sms = not whatsapp or not own.isdisjoint({"twilio_phone_number", "twilio_messaging_service_sid"})
        return {"otp_channels": ",".join(["whatsapp"] * whatsapp + ["sms"] * sms)}, {}
