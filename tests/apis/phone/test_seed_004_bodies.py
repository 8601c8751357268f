"""Requests that cannot be read, as the Django REST framework tells of them in the contract of seed 004."""

import itertools
import json
from urllib.parse import urlencode

import pytest

from tests.apis.phone.words_004 import BAD_PHONE, BLANK, NO_TEXT, NOT_VALID, NULL, REQUIRED, VERIFIED, said
from tests.running import call

REGISTER, VERIFY = "/api/phone/register", "/api/phone/verify"
#: The store has no say in how a body is read.
pytestmark = pytest.mark.parametrize("phones", ["sqlite"], indirect=True)
PATHS = pytest.mark.parametrize("path", [REGISTER, VERIFY])
FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
BODY = {"phone_number": "+14155552671", "security_code": "123456", "session_token": "a.b.c"}


def faults(answer):
    """The text for each field, in the order in which they are reported."""
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


@pytest.mark.parametrize("value", [True, ["marker"], {"marker": "marker"}])
def test_fields_of_another_type(phones, value):
    """No field is anything but a text or a number."""
    assert faults(phones.server.post(REGISTER, {"phone_number": value})) == [("phone_number", BAD_PHONE)]
    answer = phones.server.post(VERIFY, {"phone_number": value, "security_code": value, "session_token": value})
    assert faults(answer) == [("phone_number", BAD_PHONE), ("session_token", NO_TEXT), ("security_code", NO_TEXT)]
    assert "marker" not in json.dumps(answer.json)


@pytest.mark.parametrize("value", [12345678, 1.5, 0, 10**400])
def test_a_json_number_is_its_digits(phones, value):
    """In a code and a token, but the number of a phone is a text: its + is part of it."""
    number, token, code = phones.registered()
    assert faults(phones.server.post(REGISTER, {"phone_number": value})) == [("phone_number", BAD_PHONE)]
    for body in ({"session_token": value, "security_code": code}, {"session_token": token, "security_code": value}):
        assert said(phones.server.post(VERIFY, {"phone_number": number} | body)) == NOT_VALID


def test_a_code_that_is_a_json_number(phones):
    """It is the code that its digits are; zeros that JSON took from its beginning make it a wrong one."""
    accepted = False
    while not accepted:
        number, token, code = phones.registered()
        body = {"phone_number": number, "session_token": token, "security_code": int(code)}
        answer = phones.server.post(VERIFY, body)
        accepted = code[0] != "0"
        assert said(answer) == (VERIFIED if accepted else NOT_VALID)


def test_faults_of_many_kinds(phones):
    """One text for each field that has one."""
    body = {"phone_number": "marker", "security_code": None, "session_token": " "}
    expected = [("phone_number", BAD_PHONE), ("session_token", BLANK), ("security_code", NULL)]
    assert faults(phones.server.post(VERIFY, body)) == expected


def test_other_fields_are_ignored(phones):
    number = phones.number()
    body = {"phone_number": number, "purpose": "payment", "security_code": "111111", "channel": "pigeon"}
    answer = phones.server.post(REGISTER, body)
    assert answer.status == 200
    code, token = phones.provider.code(number), answer.json["session_token"]
    body = {"phone_number": number, "security_code": code, "session_token": token, "purpose": "payment", "otp": 1}
    assert said(phones.server.post(VERIFY, body)) == VERIFIED


@PATHS
@pytest.mark.parametrize(("body", "kind"), [
    ("[]", "list"), ('"marker"', "str"), ("5", "int"), ("1.5", "float"), ("true", "bool"), ('["marker"]', "list"),
])  # fmt: skip
def test_json_that_is_no_object(phones, path, body, kind):
    """Reported by the type that it was read as."""
    expected = f"Invalid data. Expected a dictionary, but got {kind}."
    assert said(phones.server.post(path, body)) == (400, {"non_field_errors": [expected]})


@PATHS
def test_no_data(phones, path):
    """null has words of its own."""
    assert said(phones.server.post(path, "null")) == (400, {"non_field_errors": ["No data provided"]})


@PATHS
@pytest.mark.parametrize("body", [
    "{", "", "marker", "{'phone_number': 'marker'}", '{"marker": NaN}', '{"marker":1,"marker":2}', "[" * 50,
    b'{"marker": "\xff"}', '{"marker": "\\ud800"}',
])  # fmt: skip
def test_what_is_no_json(phones, path, body):
    """Reported as it always was; not where, and nothing of what was sent."""
    answer = phones.server.post(path, body)
    assert (answer.status, list(answer.json)) == (400, ["detail"])
    assert answer.json["detail"].startswith("JSON parse error - The body ")
    assert "marker" not in answer.json["detail"]


@PATHS
@pytest.mark.parametrize(("sent", "shown"), [
    ("text/plain", "text/plain"), ("text/plain; charset=utf-8", "text/plain; charset=utf-8"),
    ("multipart/mixed", "multipart/mixed"), ("application/vnd.api+json", "application/vnd.api+json"), ("", ""),
    ("marker", ""), ("marker/<script>", ""), ('text/plain; marker="x"', ""), ("m" * 200 + "/plain", ""),
])  # fmt: skip
def test_another_content_type(phones, path, sent, shown):
    """415; it is shown when it is one, and nothing else is."""
    answer = call(phones.server.port, "POST", path, json.dumps(BODY), {"Content-Type": sent})
    assert said(answer) == (415, {"detail": f'Unsupported media type "{shown}" in request.'})


def form(body, media=FORM, **headers):
    return {"body": body, "headers": {"Content-Type": media} | headers}


def part(name, value, more=""):
    """A part of a multipart form with the boundary `b`."""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'


def multipart(*fields):
    """A whole multipart form with that boundary, of parts' arguments."""
    return "".join(itertools.starmap(part, fields)) + "--b--\r\n"


@pytest.mark.parametrize(("media", "write"), [(FORM, lambda *fields: urlencode(fields)), (MULTIPART, multipart)])
def test_a_form_works_as_json_does(phones, media, write):
    """Urlencoded, as curl -d sends it, and multipart, as curl -F does; other fields and their order do not matter."""
    number = phones.number()
    body = write(("x", "1"), ("phone_number", number))
    answer = call(phones.server.port, "POST", REGISTER, **form(body, media))
    assert answer.status == 200
    body = write(
        ("security_code", phones.provider.code(number)),
        ("session_token", answer.json["session_token"]),
        ("phone_number", number),
    )
    assert said(call(phones.server.port, "POST", VERIFY, **form(body, media))) == VERIFIED


@pytest.mark.parametrize(("media", "body", "expected"), [
    (FORM, "", {"phone_number": [REQUIRED]}), (FORM, "phone_number", {"phone_number": [BLANK]}),
    (FORM, "phone_number=+%20", {"phone_number": [BLANK]}),
    (FORM, "phone_number=+14155552671", {"phone_number": [BAD_PHONE]}),
    (FORM, "phone_number=%2B14155552671%00", {"phone_number": [BAD_PHONE]}),
    (FORM, "phone_number=%2B14155552671&phone_number=marker", {"phone_number": [BAD_PHONE]}),
    (MULTIPART, multipart(), {"phone_number": [REQUIRED]}),
    (MULTIPART, multipart(("phone_number", " ")), {"phone_number": [BLANK]}),
    (MULTIPART, multipart(("phone_number", "", '; filename=""')), {"phone_number": [BLANK]}),
    (MULTIPART, multipart(("phone_number", "+14155552671", '; filename="x"')), {"phone_number": [BAD_PHONE]}),
])  # fmt: skip
def test_faults_of_a_form(phones, media, body, expected):
    """In the words for JSON: a bare name is blank, a + is a blank, of two fields the last counts, a file is no text."""
    answer = call(phones.server.port, "POST", REGISTER, **form(body, media))
    assert said(answer) == (400, expected)


@PATHS
@pytest.mark.parametrize(("media", "body", "kind"), [
    (FORM, "phone_number=%FF", "Form"), (FORM, "phone_number=%2B14155552671&marker=%zz", "Form"),
    (FORM, b"phone_number=\xff", "Form"), (FORM, "marker&" * 100, "Form"), (MULTIPART, "marker", "Multipart form"),
    (MULTIPART, part("phone_number", "+14155552671"), "Multipart form"),
    (MULTIPART, part("phone_number", "+14155552671") + "--c--\r\n", "Multipart form"),
    (MULTIPART, "--b\r\nmarker: x\r\n\r\nmarker\r\n--b--\r\n", "Multipart form"),
    (MULTIPART, multipart(*[("marker", "")] * 101), "Multipart form"),
    ("multipart/form-data", multipart(), "Multipart form"),
    ("multipart/form-data; boundary=" + "b" * 71, multipart(), "Multipart form"),
    ("multipart/form-data; boundary=b; charset=latin1", multipart(), "Multipart form"),
])  # fmt: skip
def test_what_is_no_form(phones, path, media, body, kind):
    """400, by the kind that was announced; nothing of it is repeated, and no message goes out."""
    before = len(phones.provider.posts)
    answer = call(phones.server.port, "POST", path, **form(body, media))
    assert (answer.status, list(answer.json)) == (400, ["detail"])
    assert answer.json["detail"].startswith(f"{kind} parse error - ")
    assert "marker" not in answer.json["detail"]
    assert len(phones.provider.posts) == before


@PATHS
@pytest.mark.parametrize("media", [FORM, MULTIPART])
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", "http://127.0.0.1", "http://localhost:{}", "file://"]
)
def test_a_form_of_another_site_is_rejected(phones, path, media, origin):
    """A page can make a browser post a form without asking this server first; the browser says whose page it is."""
    before = len(phones.provider.posts)
    body = "phone_number=%2B14155552671" if media is FORM else multipart(("phone_number", "+14155552671"))
    answer = call(phones.server.port, "POST", path, **form(body, media, Origin=origin.format(phones.server.port)))
    assert said(answer) == (403, {"detail": "A page of another site may not post a form here"})
    assert len(phones.provider.posts) == before


def test_a_form_of_this_server_itself_is_taken(phones):
    """As is JSON of any site: for that a browser asks first, and gets no permission."""
    own = {"Origin": f"http://127.0.0.1:{phones.server.port}"}
    number = phones.number()
    assert call(phones.server.port, "POST", REGISTER, **form(urlencode({"phone_number": number}), **own)).status == 200
    assert phones.register(phones.number(), {"Origin": "capacitor://localhost"}).status == 200


@PATHS
def test_a_body_of_another_kind(phones, path):
    """Another charset, or compressed: the type is right, so the text says what is not."""
    how = [{"Content-Type": f"{media}; charset=latin1"} for media in ("application/json", FORM)]
    how.append({"Content-Encoding": "gzip"})
    answers = [call(phones.server.port, "POST", path, json.dumps(BODY), headers) for headers in how]
    assert [answer.status for answer in answers] == [415] * 3
    assert [answer.json for answer in answers] == [
        {"detail": "Content-Type must be application/json"},
        {"detail": f"Content-Type must be {FORM}"},
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


def test_paths_that_are_not_of_this_api(phones):
    assert phones.server.post("/api/phones", BODY).json["error_type"] == "not_found"
    assert phones.server.call("GET", "/send-otp").json["error_type"] == "method_not_allowed"


@PATHS
def test_a_large_body(phones, path):
    answer = phones.server.post(path, BODY | {"more": "m" * 10_000})
    assert (answer.status, list(answer.json)) == (413, ["detail"])
