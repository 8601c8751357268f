"""What counts as a form: strict application/x-www-form-urlencoded in UTF-8, of a bounded size."""

import pytest
from flask import Flask

from otp_app.web.body import BadRequest, TooLarge, UnsupportedMedia
from otp_app.web.form import fields, from_another_site

FORM = "application/x-www-form-urlencoded"


def read(body, content_type=FORM, **how):
    with Flask("test").test_request_context(method="POST", data=body, content_type=content_type, **how):
        return fields()


@pytest.mark.parametrize(("body", "found"), [
    (b"", {}), (b"To=%2B14155552671&Channel=sms", {"To": "+14155552671", "Channel": "sms"}),
    (b"To=+14155552671", {"To": " 14155552671"}), (b"To=", {"To": ""}), (b"To=a=b", {"To": "a=b"}),
    (b"Name=B%C3%BCcher+%26+mehr", {"Name": "Bücher & mehr"}), ("Name=Bücher".encode(), {"Name": "Bücher"}),
    (b"a;b=1", {"a;b": "1"}), (b"to=1&To=2", {"to": "1", "To": "2"}),
])  # fmt: skip
def test_a_form_is_read(body, found):
    """A plus is a blank, a blank field is a field, and names are as they are."""
    assert read(body) == found


@pytest.mark.parametrize("body", [
    b"To", b"To=1&", b"&To=1", b"To=1&&Code=2", b"To=1&Code", b'{"To": "1"}', b"To=%", b"To=%2", b"To=%zz",
    b"To=%FF%FE", b"%FF=1", b"To=\xff", b"To=%C0%80", b"To=%ED%A0%80", b"To=1&To=1", b"To=1&T%6F=2",
])  # fmt: skip
def test_what_is_not_a_strict_form_is_refused(body):
    """Half a field, half an escape, what is not UTF-8, and a field that stands twice; nothing of it is repeated."""
    with pytest.raises(BadRequest) as caught:
        read(body)
    assert "1" not in str(caught.value)


@pytest.mark.parametrize("content_type", [FORM, FORM.upper(), f"{FORM};charset=utf-8", f'{FORM} ; charset="UTF-8" '])
def test_a_form_by_any_spelling_is_taken(content_type):
    """The media type's case does not matter, and UTF-8 may be named."""
    assert read(b"To=1", content_type) == {"To": "1"}


@pytest.mark.parametrize("content_type", [
    None, "", "text/x", "application/json", f"{FORM}; charset=latin-1", f"{FORM}x", "multipart/form-data; boundary=x",
])  # fmt: skip
def test_what_is_no_form_by_its_type_is_415(content_type):
    with pytest.raises(UnsupportedMedia, match="x-www-form-urlencoded"):
        read(b"To=1", content_type)


def test_nothing_is_unpacked():
    with pytest.raises(UnsupportedMedia):
        read(b"To=1", headers={"Content-Encoding": "gzip"})


def test_8192_bytes_is_the_limit():
    assert len(read(b"To=" + b"1" * 8189)["To"]) == 8189
    with pytest.raises(TooLarge):
        read(b"To=" + b"1" * 8190)


@pytest.mark.parametrize(("host", "origin", "is_another"), [
    ("otp.example:443", "https://otp.example", False), ("otp.example:80", "http://otp.example", False),
    ("otp.example:443", "http://otp.example", True), ("otp.example:8443", "https://otp.example", True),
])  # fmt: skip
def test_the_usual_port_is_part_of_no_origin(host, origin, is_another):
    """nginx writes it with `proxy_set_header Host $host:$server_port`."""
    assert from_another_site({"HTTP_HOST": host, "HTTP_ORIGIN": origin}) == is_another
