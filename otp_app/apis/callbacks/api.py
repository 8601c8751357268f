"""The API of callbacks, as the server opens it."""

from __future__ import annotations

from typing import ClassVar

from otp_app.apis.callbacks import twilio
from otp_app.apis.callbacks.state import Callbacks
from otp_app.channels.twilio.receipts import StatusCallbacks
from otp_app.web.api import Api
from otp_app.wiring import Services


class CallbacksApi(Api):
    """What providers call: POST /callbacks/twilio/status/VERIFICATION/SEND."""

    others: ClassVar = (twilio.bp,)

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self.state = Callbacks(StatusCallbacks.open(services.settings))
