"""What counts as a body: strict JSON in UTF-8, of a bounded size and depth."""

import pytest

JSON = {"Content-Type": "application/json"}
NUMBER = b'"phone_number": "+14155552671"'
TERMINATED = {"wsgi.input_terminated": True}


def post(site, body, headers=JSON, **environ):
    return site.post("/send-otp", body, headers=headers, **environ)


def nested(depth):
    return b"{" + NUMBER + b', "x": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def padded(size):
    body = b"{" + NUMBER + b', "x": "%s"}'
    return body.replace(b"%s", b"x" * (size - len(body) + 2))


@pytest.mark.parametrize("body", [
    b"", b" ", b"{", b"null", b"true", b"0", b'"+14155552671"', b"[{}]", b"{" + NUMBER + b"} {}", b"{" + NUMBER + b",}",
    b"{'phone_number': '+14155552671'}", b"{" + NUMBER + b', "x": NaN}', b"{" + NUMBER + b', "x": -Infinity}',
    b"{" + NUMBER + b', "x": 1e400}', b"{" + NUMBER + b', "x": -1e400}', b"{" + NUMBER + b', "x": 01}',
    b"{" + NUMBER + b', "x": "\x01"}', b"{" + NUMBER + b', "x": "\\ud800"}', b"{" + NUMBER + b', "\\udfff": 1}',
    b"{" + NUMBER + b', "x": "\xff"}', b"{" + NUMBER + b', "x": "\xc0\x80"}', b"{" + NUMBER + b", " + NUMBER + b"}",
    b"{" + NUMBER + b', "phone_n\\u0075mber": "+14155552672"}', b"{" + NUMBER + b', "x": {"y": 1, "y": 1}}',
    b"\xef\xbb\xbf{" + NUMBER + b"}", ('{"phone_number": "+14155552671"}').encode("utf-16"), nested(33), b"[" * 8000,
    b"{" + NUMBER + b', "x": ' + b"9" * 5000 + b"}",
])  # fmt: skip
def test_what_is_not_strict_json_is_refused(site, body):
    """Nothing is guessed from it, nothing of it is repeated, nothing is sent."""
    answer = post(site, body)
    assert (answer.status_code, answer.json["error_type"]) == (400, "bad_request")
    assert "4155552671" not in answer.get_data(as_text=True)
    assert site.channel.messages == []


@pytest.mark.parametrize("body", [
    b" \n{" + NUMBER + b"}\r\n\t", b"{" + NUMBER + b', "x": "\\ud83d\\ude00"}',
    b"{" + NUMBER + b', "x": "\xf0\x9f\x98\x80"}', b"{" + NUMBER + b', "x": ' + b"9" * 4000 + b"}",
    b"{" + NUMBER + b', "x": "' + b"[{" * 40 + b'"}', b"{" + NUMBER + b', "x": "' + b'\\"[' * 40 + b'"}',
    b"{" + NUMBER + b', "x": [' + b"{}," * 40 + b"{}]}", nested(32),
])  # fmt: skip
def test_what_is_strict_json_is_read(site, body):
    """White space, escapes, brackets in strings and a depth of 32 are no fault."""
    assert post(site, body).status_code == 200


def test_8192_bytes_is_the_limit(site):
    """One byte more is 413, by the announced length as by the real one."""
    assert post(site, padded(8192)).status_code == 200
    assert post(site, padded(8193)).status_code == 413
    announced = post(site, b"{}", CONTENT_LENGTH="8193")
    assert (announced.status_code, announced.json["error_type"]) == (413, "too_large")
    unannounced = post(site, padded(8193), CONTENT_LENGTH="", **TERMINATED)
    assert unannounced.status_code == 413


def test_a_body_without_a_length_is_read_to_its_end(site):
    """Where the server says that its stream has one, as for chunks."""
    assert post(site, b"{" + NUMBER + b"}", CONTENT_LENGTH="", **TERMINATED).status_code == 200


def test_no_more_is_read_than_was_announced(site):
    """Where the stream has no end of its own, asking for more than the body is waiting for ever (PEP 3333)."""
    body = b"{" + NUMBER + b"}"

    class Connection:
        def read(self, size=-1):
            if not 0 <= size <= len(body):
                raise TimeoutError
            return body[:size]

    how = {"wsgi.input": Connection(), "CONTENT_LENGTH": str(len(body))}
    assert site.call("POST", "/send-otp", headers=JSON, **how).status_code == 200


@pytest.mark.parametrize("content_type", [
    "application/json", "Application/JSON", "application/json;charset=utf-8", 'application/json ; charset="UTF-8" ',
])  # fmt: skip
def test_json_by_any_spelling_is_taken(site, content_type):
    """The media type's case does not matter, and UTF-8 may be named."""
    assert post(site, b"{" + NUMBER + b"}", headers={"Content-Type": content_type}).status_code == 200


@pytest.mark.parametrize("headers", [
    {}, {"Content-Type": ""}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"},
    {"Content-Type": "application/json; charset=utf-16"}, {"Content-Type": "application/json, text/plain"},
    {"Content-Type": "application/jsonp"}, {"Content-Type": "multipart/form-data; boundary=application/json"},
    JSON | {"Content-Encoding": "gzip"},
])  # fmt: skip
def test_what_is_not_json_by_its_headers_is_415(site, headers):
    """A form of another site cannot post to us, and nothing is unpacked."""
    answer = post(site, b"{" + NUMBER + b"}", headers=headers)
    assert (answer.status_code, answer.json["error_type"]) == (415, "unsupported_media_type")
    assert site.channel.messages == []


def test_a_body_that_breaks_off_is_the_clients_fault(site):
    """Whatever the server's stream raises, it is no 500 of ours."""

    class Broken:
        def read(self, size=-1):
            raise OSError("invalid chunk")

    answer = site.call("POST", "/send-otp", headers=JSON, **{"wsgi.input": Broken()})
    assert (answer.status_code, answer.json["error_type"]) == (400, "bad_request")


def test_the_order_of_fields_and_faults_is_stable(site):
    """Of several faults one is reported, with the field's name and without its value."""
    answer = post(site, b'{"phone_number": 1, "purpose": "NO!", "channel": 2}')
    assert answer.json["error"] == "phone_number: Input should be a valid string"
