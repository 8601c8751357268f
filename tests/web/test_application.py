"""Flask without a search for constant paths, and JSON sent as it is: nothing else changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException
from werkzeug.test import create_environ, run_wsgi_app

from otp_app.apis import APIS
from otp_app.serving.app import create_app
from otp_app.web.application import Compact, WholeResponse
from otp_app.wiring import build
from tests.configuration import make_settings


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Any]:
    """With all APIs."""
    (tmp_path / "users.csv").write_text("user_id,phone_number\nann,+14155552671\n", encoding="utf-8")
    given = {"otp_apis": tuple(APIS), "otp_directory_url": f"file://{tmp_path}/users.csv",
             "otp_public_url": "https://otp.example.com", "twilio_auth_token": "0" * 32}
    with closing(build(make_settings(otp_store_url="memory://", **given))) as services:
        yield create_app(services=services)


def test_constant_paths_lead_where_werkzeug_leads_them(app: Any) -> None:
    """All of them, by each method."""
    assert ("POST", "/send-otp") in app._found
    assert len(app._found) > 20
    for method, path in app._found:
        asked = app.request_class(create_environ(path, method=method))
        by_werkzeug = Flask.create_url_adapter(app, asked).match(return_rule=True)
        assert app.create_url_adapter(asked).match(return_rule=True) == by_werkzeug, (method, path)


@pytest.mark.parametrize(("method", "path"), [
    ("POST", "/callbacks/twilio/status/VE1/VL1"), ("POST", "/callbacks/twilio/status/a=%20/."),
    ("POST", "/callbacks/twilio/status/\xfc/VL1"), ("POST", "/callbacks/twilio/status//VL1"),
    ("POST", "/callbacks/twilio/status/VE1"), ("POST", "/callbacks/twilio/status/VE1/VL1/x"),
    ("GET", "/callbacks/twilio/status/VE1/VL1"), ("HEAD", "/verifications/VE1"), ("GET", "/verifications/VE1/"),
])  # fmt: skip
def test_paths_with_parameters_lead_where_werkzeug_leads_them(app: Any, method: str, path: str) -> None:
    """Those that are found at once by their beginning, and others."""
    assert ("POST", "/callbacks/twilio/status", 2) in app._beginnings

    def found(adapter: Any) -> Any:
        try:
            return adapter.match(return_rule=True)
        except HTTPException as error:
            return error.code

    asked = app.request_class(create_environ(path, method=method))
    assert found(app.create_url_adapter(asked)) == found(Flask.create_url_adapter(app, asked))


@pytest.mark.parametrize(("method", "path", "headers", "status"), [
    ("PUT", "/verify-otp", {}, 405), ("POST", "/verify-otp/", {}, 404), ("OPTIONS", "/verify-otp", {}, 200),
    ("GET", "/verifications/VE1", {}, 404), ("GET", "/healthz", {"Connection": "Upgrade", "Upgrade": "websocket"}, 400),
])  # fmt: skip
def test_other_requests_are_werkzeugs(app: Any, method: str, path: str, headers: dict[str, str], status: int) -> None:
    answer = app.test_client().open(path, method=method, headers=headers, base_url="http://localhost")
    assert answer.status_code == status


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("status", [200, 204, 304, 400])
def test_json_is_sent_as_flask_sends_it(app: Any, method: str, status: int) -> None:
    environ = create_environ(method=method)
    answers = []
    with app.app_context():
        for made in (Compact(app).response({"a": "\xe9"}), Response('{"a":"\\u00e9"}\n', mimetype="application/json")):
            made.status_code = status
            made.headers["X"] = "y"
            body, line, headers = run_wsgi_app(made, environ)
            answers.append((b"".join(body), line, sorted(headers)))
    assert answers[0] == answers[1]


TEXTS = st.text(st.characters(), max_size=8)  # halves of characters too
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e15, 1e15).map(lambda n: round(n, 3)) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
)


@given(VALUES)
@example("\ud800")
@example(2**64)
@example("\x7f")
def test_json_has_the_value_that_flask_writes(value: Any) -> None:
    """In ASCII. The text differs in DEL, and in the exponents of numbers."""
    written = Compact(Flask(__name__)).dumps(value)
    assert written.isascii()
    assert json.loads(written) == json.loads(json.dumps(value))


def test_what_is_to_be_done_after_an_answer_is_done() -> None:
    done: list[bool] = []
    answer = WholeResponse("{}")
    answer.call_on_close(lambda: done.append(True))
    body, _, _ = answer.get_wsgi_response(create_environ())
    body.close()  # type: ignore[attr-defined]
    assert done == [True]
