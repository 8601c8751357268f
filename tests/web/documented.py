"""What the OpenAPI document says, held against what a server really answers."""

from __future__ import annotations

import base64
import json
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

from otp_app.apis import APIS
from otp_app.web.openapi import APIS as FOLDER
from otp_app.web.openapi import COMMON, VARIABLE, Operation, operations, parameters, put_together, resolve
from tests.accounts.session import session_token
from tests.web.site import Site, api_key

#: everything that there is to say, whichever API a server has
SERVED = (*APIS, "notifications")
FRAGMENTS = [path for name in SERVED for path in sorted((FOLDER / name).glob("*openapi.json"), reverse=True)]
WHOLE = put_together([*FRAGMENTS, COMMON])
BASIC = "Basic " + base64.b64encode(b"AC" + b"0" * 32 + b":secret").decode()


#: RPCs of accounts that need no session
WITHOUT_SESSION = {"signupWithPhoneNumber", "verifyPhoneNumber", "loginWithPhoneNumber", "validatePhoneNumberLogin"}


class Endpoint(NamedTuple):
    """An operation by its method and path."""

    method: str
    path: str

    @property
    def node(self) -> dict[str, Any]:
        return WHOLE["paths"][self.path][self.method]

    @property
    def media(self) -> tuple[str, dict[str, Any]] | None:
        return next(iter(self.node.get("requestBody", {}).get("content", {}).items()), None)

    def bodies(self) -> list[dict[str, Any]]:
        return [example["value"] for example in self.media[1]["examples"].values()] if self.media else []

    def url(self) -> str:
        found = parameters(WHOLE, Operation(*self, self.node))
        return self.path.format_map({each["name"]: each["example"] for each in found if each["in"] == "path"})

    def ask(self, site: Site, body: Any = None, headers: dict[str, str] | None = None, **how: Any) -> TestResponse:
        """Ask for it, by default with its first example. A dict goes in the form that it wants, bytes as they are."""
        if self.media and body is None:
            body = self.bodies()[0]
        if self.media and isinstance(body, dict | list):
            body = urlencode(body).encode() if self.media[0].endswith("urlencoded") else json.dumps(body).encode()
        if self.media:
            how = {"CONTENT_TYPE": self.media[0]} | how
        return site.call(self.method.upper(), self.url(), body, {**self._shown(site), **(headers or {})}, **how)

    def _shown(self, site: Site) -> dict[str, str]:
        """The credentials that it wants, where it wants its own."""
        if self.path.startswith("/auth.AuthService/") and self.node["operationId"] not in WITHOUT_SESSION:
            return {"Authorization": f"Bearer {session_token(site)}"}
        return {"Authorization": BASIC} if self.path.startswith("/v2/") else {}


ENDPOINTS = [Endpoint(method, path) for method, path, _ in operations(WHOLE)]


def endpoint_of(site: Site, answer: TestResponse) -> Endpoint | None:
    """The operation that an answer is from; None where it is from no view."""
    adapter = site.app.url_map.bind("localhost")
    if not adapter.test(answer.request.path, answer.request.method):
        return None
    rule, _ = adapter.match(answer.request.path, answer.request.method, return_rule=True)
    return Endpoint(answer.request.method.lower(), VARIABLE.sub(r"{\1}", rule.rule))


def assert_fits(schema: dict[str, Any], value: Any) -> None:
    """The value is what the schema of the document says."""
    Draft202012Validator({**schema, "components": WHOLE["components"]}).validate(value)


def assert_documented(endpoint: Endpoint, answer: TestResponse, *statuses: int) -> None:
    """The status, type, headers and body of an answer are those that the document promises; `statuses`: one of them."""
    assert not statuses or answer.status_code in statuses, f"{endpoint.method} {endpoint.path}: {answer.status_code}"
    response = endpoint.node["responses"].get(str(answer.status_code))
    assert response, f"{endpoint.method} {endpoint.path} answers {answer.status_code}: {answer.get_data(as_text=True)}"
    response = resolve(WHOLE, response)
    for name, header in response.get("headers", {}).items():
        _assert_header(resolve(WHOLE, header), answer.headers.get(name))
    assert list(response.get("content", {})) == ([answer.mimetype] if answer.data else [])
    for kind, media in response.get("content", {}).items():
        assert_fits(media["schema"], answer.json if kind == "application/json" else answer.get_data(as_text=True))


def _assert_header(header: dict[str, Any], text: str | None) -> None:
    assert text or not header.get("required")
    if text is not None:
        assert_fits(header["schema"], int(text) if header["schema"]["type"] == "integer" else text)


# ---- what tests of it share

PROOF_KEYS = "p1:HS256:" + "A" * 43 + "="
KEYS = api_key("shop", "send+verify+metrics+notify", "right")
ACCOUNTS = "AC" + "0" * 32 + ":" + "0" * 64
WITH_BODY = [endpoint for endpoint in ENDPOINTS if endpoint.media]
endpoints = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: f"{each.method} {each.path}")
endpoints_with_body = pytest.mark.parametrize("endpoint", WITH_BODY, ids=lambda each: f"{each.method} {each.path}")
