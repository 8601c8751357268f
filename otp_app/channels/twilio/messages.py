"""Twilio's messages, without its SDK: the part of it that has them takes 12 MiB."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from twilio.base.exceptions import TwilioRestException  # type: ignore[import-untyped]

from otp_app.channels.twilio import outcomes
from otp_app.core.delivery import Delivery

if TYPE_CHECKING:
    from otp_app.channels.twilio.answers import Answer
    from otp_app.channels.twilio.settings import TwilioSettings
    from otp_app.channels.twilio.transport import Transport

TWILIO = "https://api.twilio.com"
HEADERS = {
    "User-Agent": "otp-app",
    "Accept": "application/json",
    "Accept-Charset": "utf-8",
    "Content-Type": "application/x-www-form-urlencoded",
}
PROBLEM = {"type", "title", "status", "code"}  # what an error has that is a problem document (RFC 9457)


class Messages:
    """The messages of the account. A test holds requests and answers to what the SDK makes of them."""

    def __init__(self, own: TwilioSettings, transport: Transport) -> None:
        base = own.twilio_api_base_url or TWILIO
        self.url = f"{base}/2010-04-01/Accounts/{own.twilio_account_sid}/Messages.json"
        self._auth, self._transport = own.credentials, transport

    def create(self, fields: Mapping[str, object]) -> Delivery:
        """Hand over a message with these parameters, under the names that Twilio gives them.

        Raises TwilioRestException for an answer of 4xx, TransportError, HTTPException and OSError of the transport, and
        nearly anything for an answer that cannot be read.
        """
        answer = self._transport.request("POST", self.url, data=fields, headers=HEADERS, auth=self._auth)
        if answer.status // 100 != 2:
            raise _refusal(answer)
        return outcomes.of_message(_read(answer.text))


def _read(text: str) -> Any:
    """Return the value of JSON, in a third of the time that json takes."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return json.loads(text)  # which also takes half a character, and numbers that are none


def _refusal(answer: Answer) -> TwilioRestException:
    """Return what the SDK would raise; of a problem document it takes the status, which may deny that of HTTP."""
    try:
        error = json.loads(answer.text)
        is_problem = isinstance(error, dict) and error.keys() >= PROBLEM
        return TwilioRestException(error["status"] if is_problem else answer.status, "", code=error.get("code"))
    except Exception:  # noqa: BLE001  an error page of anybody, or JSON too deep to read
        return TwilioRestException(answer.status, "")
