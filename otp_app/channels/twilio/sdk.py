"""Twilio's SDK on our transport, for the resources that are not written here. Loading it takes some MiB."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from twilio.http import HttpClient  # type: ignore[import-untyped]
from twilio.http.response import Response  # type: ignore[import-untyped]
from twilio.rest import Client  # type: ignore[import-untyped]

from otp_app.channels.twilio.settings import TwilioSettings
from otp_app.channels.twilio.transport import Transport


class SdkTransport(HttpClient):  # type: ignore[misc]
    """The transport as the SDK calls it. No copy of a request is kept."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(logging.getLogger("twilio.http_client"), is_async=False)
        self._transport = transport

    def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002  nobody gives the SDK one: the transport has its own
        allow_redirects: bool = False,  # noqa: ARG002  the SDK never asks for it
    ) -> Response:
        """Return an answer of 2xx or 4xx; raises what the transport raises."""
        answer = self._transport.request(method, url, params, data, headers, auth)
        return Response(answer.status, answer.text)


def connect_sdk(own: TwilioSettings, transport: Transport, credentials: tuple[str, str] | None = None) -> Client:
    """Return Twilio's SDK on a transport, with the credentials that send messages, or with others.

    TWILIO_REGION and TWILIO_EDGE of the environment have no effect: TWILIO_API_BASE_URL names the host.
    """
    user, secret = credentials or own.credentials
    environment = {"TWILIO_REGION": "", "TWILIO_EDGE": ""}
    http_client = SdkTransport(transport)
    return Client(user, secret, own.twilio_account_sid, http_client=http_client, environment=environment)
