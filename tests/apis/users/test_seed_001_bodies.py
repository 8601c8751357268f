"""Requests that cannot be read, as FastAPI tells of them in the contract of seed 001."""

import json
import re

import pytest

from tests.running import call

#: The store has no say in how a body is read.
pytestmark = pytest.mark.parametrize("users", ["sqlite"], indirect=True)
PATHS = pytest.mark.parametrize("path", ["/send-code", "/verify-code"])
BODY = {"user_id": "abc", "passcode": "123456"}


def faults(answer):
    """(type, loc, msg) of each fault; nothing else of the input is shown."""
    assert answer.status == 422
    assert all("input" not in fault for fault in answer.json["detail"])
    return [(fault["type"], fault["loc"], fault["msg"]) for fault in answer.json["detail"]]


def missing(name):
    return "missing", ["body", name], "Field required"


def no_text(name):
    return "string_type", ["body", name], "Input should be a valid string"


def test_missing_fields(users):
    """Each is named, in the order of the fields."""
    post = users.server.post
    assert faults(post("/send-code", {})) == [missing("user_id")]
    assert faults(post("/verify-code", {})) == [missing("user_id"), missing("passcode")]
    assert faults(post("/verify-code", {"user_id": "abc"})) == [missing("passcode")]
    assert faults(post("/verify-code", {"passcode": "123456"})) == [missing("user_id")]


@pytest.mark.parametrize("value", [None, 12345678, True, ["marker"], {"marker": "marker"}])
def test_fields_of_another_type(users, value):
    """No text; the value is not repeated."""
    sent = users.server.post("/send-code", {"user_id": value})
    checked = users.server.post("/verify-code", {"user_id": value, "passcode": value})
    assert faults(sent) == [no_text("user_id")]
    assert faults(checked) == [no_text("user_id"), no_text("passcode")]
    assert not re.search("marker|12345678", json.dumps([sent.json, checked.json]))


@PATHS
@pytest.mark.parametrize("body", ["{", "marker", "{'user_id': 'marker'}", '{"user_id": "marker",}'])
def test_what_is_no_json(users, path, body):
    answer = users.server.post(path, body)
    ((kind, loc, message),) = faults(answer)
    assert (kind, loc[0], message) == ("json_invalid", "body", "JSON decode error")
    assert "marker" not in json.dumps(answer.json)


@PATHS
@pytest.mark.parametrize("body", ["[]", '"marker"', "null", "5", '[{"user_id": "marker"}]'])
def test_json_that_is_no_object(users, path, body):
    answer = users.server.post(path, body)
    assert [loc for _, loc, _ in faults(answer)] == [["body"]]
    assert "marker" not in json.dumps(answer.json)


def test_other_fields_are_ignored(users):
    user = users.user()
    assert users.server.post("/send-code", {"user_id": user.id, "phone": "+14155550000"}).status == 200
    body = {"user_id": user.id, "passcode": users.provider.code(user.number), "more": 1}
    assert users.server.post("/verify-code", body).status == 200


@PATHS
def test_other_requests_are_refused_in_json(users, path):
    """Another method, another content type, too much: `detail` is a text where the path is known."""
    assert users.server.call("GET", path).status == 405
    text = call(users.server.port, "POST", path, json.dumps(BODY), {"Content-Type": "text/plain"})
    large = users.server.post(path, BODY | {"more": "m" * 10_000})
    assert (text.status, type(text.json["detail"])) == (415, str)
    assert (large.status, type(large.json["detail"])) == (413, str)
