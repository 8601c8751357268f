"""A server with the Verify API, asked as Twilio's clients ask, and its refusals."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from werkzeug.test import TestResponse

from tests.web.site import Site

ACCOUNT, KEY, TOKEN = "AC" + "a" * 32, "SK" + "b" * 32, "token"
SERVICE, OTHER = "VA" + "1" * 32, "VA" + "2" * 32
ACCOUNTS = f"{ACCOUNT}:{sha256(TOKEN.encode()).hexdigest()},{ACCOUNT}/{KEY}:{sha256(TOKEN.encode()).hexdigest()}"
SETTINGS = {
    "otp_apis": ("native", "verify_v2"),
    "otp_verify_accounts": ACCOUNTS,
    "otp_verify_services": f"{SERVICE}:login,{OTHER}:payment",
}
DATE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def basic(user: str = ACCOUNT, secret: str = TOKEN) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user}:{secret}".encode()).decode()}


def refused(answer: TestResponse) -> tuple[int, int]:
    """The HTTP status and Twilio's number of a refusal, which must have Twilio's shape and no more."""
    body: Any = answer.json
    assert body.keys() - {"details"} == {"code", "message", "more_info", "status"}, body
    assert body["status"] == answer.status_code
    assert body["more_info"] == f"https://www.twilio.com/docs/errors/{body['code']}"
    return answer.status_code, body["code"]


class Verify:
    """The server; each call is one request."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def ask(
        self,
        method: str,
        path: str,
        form: dict[str, str] | None = None,
        service: str = SERVICE,
        headers: dict[str, str] | None = None,
    ) -> TestResponse:
        """A request under a service, or ("") to all of them."""
        headers = (basic() if headers is None else headers) | {"Content-Type": "application/x-www-form-urlencoded"}
        body = None if form is None else urlencode(form).encode()
        where = f"/v2/Services/{service}" if service else "/v2/Services"
        return self.site.call(method, where + path, body, headers)

    def start(
        self,
        to: str | None = None,
        channel: str = "sms",
        service: str = SERVICE,
        headers: dict[str, str] | None = None,
        **form: str,
    ) -> TestResponse:
        """Start a verification, of a number that nobody has used if none is given."""
        form = {"To": to or self.site.number(), "Channel": channel} | form
        return self.ask("POST", "/Verifications", form, service, headers)

    def check(self, code: str, service: str = SERVICE, **form: str) -> TestResponse:
        return self.ask("POST", "/VerificationCheck", {"Code": code} | form, service)

    def fetch(self, name: str, service: str = SERVICE) -> TestResponse:
        return self.ask("GET", f"/Verifications/{name}", service=service)

    def update(self, name: str, status: str, service: str = SERVICE) -> TestResponse:
        return self.ask("POST", f"/Verifications/{name}", {"Status": status}, service)

    def started(self) -> tuple[Any, str]:
        return self.start().json, self.site.code()
