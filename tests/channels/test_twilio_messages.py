"""Messages without Twilio's SDK: the same requests, and the same meaning of the answers."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from twilio.http import HttpClient
from twilio.rest import Client

from otp_app.channels.twilio import outcomes
from otp_app.channels.twilio.messages import Messages
from otp_app.channels.twilio.settings import TwilioSettings
from otp_app.core.delivery import Delivery
from tests.channels.messages import ACCOUNT, NUMBER, RECIPIENT, SERVICE, TEMPLATE

SID = "SM" + "1f" * 16
CREDENTIALS = [{"twilio_auth_token": "t"}, {"twilio_api_key_sid": "SK" + "1" * 32, "twilio_api_key_secret": "s"}]
FORMS = [
    ({"to": RECIPIENT, "from_": NUMBER, "body": "1 & é", "validity_period": 60},
     {"To": RECIPIENT, "From": NUMBER, "Body": "1 & é", "ValidityPeriod": 60}),
    ({"to": RECIPIENT, "messaging_service_sid": SERVICE, "content_sid": TEMPLATE, "content_variables": '{"1": "2"}',
      "status_callback": "https://a.example/b"},
     {"To": RECIPIENT, "MessagingServiceSid": SERVICE, "ContentSid": TEMPLATE, "ContentVariables": '{"1": "2"}',
      "StatusCallback": "https://a.example/b"}),
]  # fmt: skip
PROBLEM = {"type": "about:blank", "title": "t", "status": 400, "code": 21211}
BODIES = [
    {"sid": SID, "status": "queued", "error_code": None}, {"sid": SID, "status": "failed", "error_code": 30007},
    {"sid": SID, "status": "failed", "error_code": "30007"}, {"sid": SID, "status": "failed", "error_code": "x"},
    {"sid": SID}, {"sid": None}, {"sid": [SID], "status": "failed"}, {}, [], None, 5, "x",
    {"code": 21211, "message": "m", "status": 400}, {"code": "21211"}, {"code": 400}, {"code": True}, {"message": "m"},
    {"code": 21211, "message": ["m"], "details": {"a": 1}, "status": 500}, PROBLEM, {**PROBLEM, "status": 500},
    {**PROBLEM, "status": "400"}, {**PROBLEM, "status": 401, "code": None}, {**PROBLEM, "code": "x"},
    ["type", "title", "status", "code"], "type title status code",
]  # fmt: skip
HALF = json.dumps(BODIES[0] | {"body": "\ud83d"})  # of a character
TEXTS = [*map(json.dumps, BODIES), "", "<html>", "[" * 9**5, '{"sid": "' + SID, HALF]


class Recorder(HttpClient):
    """Takes the place of the transport, and of the SDK's, and gives one answer to all that it is asked."""

    def __init__(self, status: int = 201, text: str = json.dumps(BODIES[0])) -> None:
        super().__init__(None, False)
        self.asked: list[Any] = []
        self.status, self.text = status, text

    def request(self, method: str, url: str, *_: Any, data: Any, headers: Any, auth: Any, **__: Any) -> Any:
        names = ("Accept", "Accept-Charset", "Content-Type")
        self.asked.append((method, url, dict(data), {name: headers[name] for name in names}, auth))
        return SimpleNamespace(status=self.status, status_code=self.status, text=self.text, headers={})


def settings(**given: str) -> TwilioSettings:
    return TwilioSettings(twilio_account_sid=ACCOUNT, **given)


@pytest.mark.parametrize("credentials", CREDENTIALS)
@pytest.mark.parametrize(("fields", "form"), FORMS)
def test_the_request_is_the_one_of_the_sdk(credentials, fields, form):
    """But for the headers by which the SDK names itself."""
    own, ours, theirs = settings(**credentials), Recorder(), Recorder()
    Messages(own, ours).create(form)
    Client(*own.credentials, ACCOUNT, http_client=theirs, environment={"": ""}).messages.create(**fields)
    assert ours.asked == theirs.asked


@pytest.mark.parametrize("status", [200, 201, 400, 401, 403, 404])
@pytest.mark.parametrize("text", TEXTS)
def test_an_answer_means_what_it_means_to_the_sdk(status, text):
    """Taken, refused for this reason, or not known, whatever JSON, or else, the answer is."""
    recorder = Recorder(status, text)
    sdk = Client("u", "p", ACCOUNT, http_client=recorder, environment={"": ""})

    def theirs() -> Delivery:
        message = sdk.messages.create(to=RECIPIENT)
        return outcomes.of_message({"sid": message.sid, "status": message.status, "error_code": message.error_code})

    assert delivery(lambda: Messages(settings(), recorder).create({"To": RECIPIENT})) == delivery(theirs)


def delivery(create: Any) -> Delivery:
    try:
        return create()
    except Exception as error:
        return outcomes.of_error(error)
