"""Requests that cannot be read, as the Django REST framework tells of them in the contract of seed 004."""

import json

import pytest

from tests.running import call
from tests.seeds.words_004 import BAD_PHONE, BLANK, NO_TEXT, NULL, REQUIRED, VERIFIED, said

REGISTER, VERIFY = "/api/phone/register", "/api/phone/verify"
PATHS = pytest.mark.parametrize("path", [REGISTER, VERIFY])
BODY = {"phone_number": "+14155552671", "security_code": "123456", "session_token": "a.b.c"}


def faults(answer):
    """The text for each field, in the order in which they are told."""
    assert answer.status == 400
    assert all(len(texts) == 1 for texts in answer.json.values())
    return [(name, texts[0]) for name, texts in answer.json.items()]


def test_missing_fields(phones):
    """Each is named, all at once."""
    assert faults(phones.server.post(REGISTER, {})) == [("phone_number", REQUIRED)]
    names = ["phone_number", "session_token", "security_code"]
    assert faults(phones.server.post(VERIFY, {})) == [(name, REQUIRED) for name in names]
    for name in names:
        body = {other: value for other, value in BODY.items() if other != name}
        assert faults(phones.server.post(VERIFY, body)) == [(name, REQUIRED)]


@pytest.mark.parametrize(("value", "text"), [("", BLANK), (" \t\n", BLANK), (None, NULL)])
def test_fields_without_a_value(phones, value, text):
    """Blank is what has nothing but blanks."""
    assert faults(phones.server.post(REGISTER, {"phone_number": value})) == [("phone_number", text)]
    body = {"security_code": value, "session_token": value, "phone_number": value}
    names = ["phone_number", "session_token", "security_code"]
    assert faults(phones.server.post(VERIFY, body)) == [(name, text) for name in names]


@pytest.mark.parametrize("value", [12345678, 1.5, True, ["marker"], {"marker": "marker"}])
def test_fields_of_another_type(phones, value):
    """A number of a phone is a text too. Other than the original, this holds for a code: JSON drops its first zeros."""
    assert faults(phones.server.post(REGISTER, {"phone_number": value})) == [("phone_number", BAD_PHONE)]
    answer = phones.server.post(VERIFY, {"phone_number": value, "security_code": value, "session_token": value})
    assert faults(answer) == [("phone_number", BAD_PHONE), ("session_token", NO_TEXT), ("security_code", NO_TEXT)]
    assert "marker" not in json.dumps(answer.json)


def test_faults_of_many_kinds(phones):
    """One text for each field that has one."""
    body = {"phone_number": "marker", "security_code": None, "session_token": " "}
    told = [("phone_number", BAD_PHONE), ("session_token", BLANK), ("security_code", NULL)]
    assert faults(phones.server.post(VERIFY, body)) == told


def test_other_fields_are_ignored(phones):
    """They choose nothing."""
    number = phones.number()
    body = {"phone_number": number, "purpose": "payment", "security_code": "111111", "channel": "pigeon"}
    answer = phones.server.post(REGISTER, body)
    assert answer.status == 200
    code, token = phones.provider.code(number), answer.json["session_token"]
    body = {"phone_number": number, "security_code": code, "session_token": token, "purpose": "payment", "otp": 1}
    assert said(phones.server.post(VERIFY, body)) == VERIFIED


@PATHS
@pytest.mark.parametrize(
    ("body", "kind"),
    [("[]", "list"), ('"marker"', "str"), ("5", "int"), ("1.5", "float"), ("true", "bool"), ('["marker"]', "list")],
)
def test_json_that_is_no_object(phones, path, body, kind):
    """Told by the type that it was read as."""
    told = f"Invalid data. Expected a dictionary, but got {kind}."
    assert said(phones.server.post(path, body)) == (400, {"non_field_errors": [told]})


@PATHS
def test_no_data(phones, path):
    """null has words of its own."""
    assert said(phones.server.post(path, "null")) == (400, {"non_field_errors": ["No data provided"]})


@PATHS
@pytest.mark.parametrize(
    "body",
    ["{", "", "marker", "{'phone_number': 'marker'}", '{"marker": NaN}', '{"marker":1,"marker":2}', "[" * 50,
     b'{"marker": "\xff"}', '{"marker": "\\ud800"}'],
)  # fmt: skip
def test_what_is_no_json(phones, path, body):
    """Told as it always was; not where, and nothing of what was sent."""
    answer = phones.server.post(path, body)
    assert (answer.status, list(answer.json)) == (400, ["detail"])
    assert answer.json["detail"].startswith("JSON parse error - The body ")
    assert "marker" not in answer.json["detail"]


@PATHS
@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("text/plain", "text/plain"),
        ("text/plain; charset=utf-8", "text/plain; charset=utf-8"),
        ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
        ("application/vnd.api+json", "application/vnd.api+json"),
        ("", ""),
        ("marker", ""),
        ("marker/<script>", ""),
        ('text/plain; marker="x"', ""),
        ("m" * 200 + "/plain", ""),
    ],
)
def test_another_content_type(phones, path, sent, shown):
    """415; it is shown when it is one, and nothing else is."""
    answer = call(phones.server.port, "POST", path, json.dumps(BODY), {"Content-Type": sent})
    assert said(answer) == (415, {"detail": f'Unsupported media type "{shown}" in request.'})


@PATHS
def test_json_of_another_kind(phones, path):
    """Another charset, or compressed: the type is right, so the text says what is not."""
    how = [{"Content-Type": "application/json; charset=latin1"}, {"Content-Encoding": "gzip"}]
    answers = [call(phones.server.port, "POST", path, json.dumps(BODY), headers) for headers in how]
    assert [answer.status for answer in answers] == [415, 415]
    assert [answer.json for answer in answers] == [
        {"detail": "Content-Type must be application/json"},
        {"detail": "Content-Encoding is not supported"},
    ]


@PATHS
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_another_method(phones, path, method):
    """405 in these words, with what is allowed."""
    answer = phones.server.call(method, path)
    assert said(answer) == (405, {"detail": f'Method "{method}" not allowed.'})
    assert sorted(answer.headers["Allow"].split(", ")) == ["OPTIONS", "POST"]


@pytest.mark.parametrize(
    "path", ["/api/phone/", "/api/phone/other", f"{REGISTER}/", f"{VERIFY}/", f"{VERIFY}//", "/api/phone//verify"]
)
def test_another_path(phones, path):
    """404 in these words: there is no slash at the end of a path, and no redirect to one without."""
    assert said(phones.server.post(path, BODY)) == (404, {"detail": "Not found."})


def test_paths_that_are_not_of_this_face(phones):
    """Keep the native words."""
    assert phones.server.post("/api/phones", BODY).json["error_type"] == "not_found"
    assert phones.server.call("GET", "/send-otp").json["error_type"] == "method_not_allowed"


@PATHS
def test_a_large_body(phones, path):
    """413 with a text."""
    answer = phones.server.post(path, BODY | {"more": "m" * 10_000})
    assert (answer.status, list(answer.json)) == (413, ["detail"])
