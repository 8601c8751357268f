"""Twilio's signature, held against Twilio's own validator."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from otp_app.channels.twilio import receipts
from otp_app.channels.twilio.receipts import StatusCallbacks, Unsigned, _pairs

TOKEN, FORM = "token", "application/x-www-form-urlencoded"
KEYS = {"k1": "shared secret"}
SHARED = {"X-Twilio-Webhooks-Signature-Settings": "key=k1,algorithm=HMAC_SHA256"}
URL = "https://otp.example.com/callbacks/twilio/status/VE0/VL0"

urls = st.sampled_from([URL, URL + "?x=1&x=%C3%BC", "https://otp.example.com:8443/a", "http://127.0.0.1:5000/a"])
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
forms = st.lists(st.tuples(words, words), max_size=6)


def takes(url: str, headers: dict[str, str], body: bytes) -> bool:
    try:
        StatusCallbacks(TOKEN, KEYS).read(url, headers, body)
    except Unsigned:
        return False
    return True


def headers_for(url: str, params: Any, *, shared: bool, media: str = FORM) -> dict[str, str]:
    """What Twilio would send, by Twilio's library."""
    secret, algorithm = (KEYS["k1"], "HMAC_SHA256") if shared else (TOKEN, "HMAC_SHA1")
    signature = RequestValidator(secret).compute_signature(url, params, algorithm)
    return {"X-Twilio-Signature": signature, "Content-Type": media} | (SHARED if shared else {})


@given(urls, forms, st.booleans())
def test_a_form_is_taken_as_twilio_signs_it(url: str, pairs: list[tuple[str, str]], shared: bool) -> None:
    """Repeated and blank fields too; and not with another field, another URL or the other secret."""
    headers, body = headers_for(url, MultiDict(pairs), shared=shared), urlencode(pairs).encode()
    assert takes(url, headers, body)
    assert not takes(url, headers, urlencode([*pairs, ("MessageStatus", "read")]).encode())
    assert not takes(url + "1", headers, body)
    assert not takes(url, headers_for(url, MultiDict(pairs), shared=not shared) | {
        "X-Twilio-Webhooks-Signature-Settings": headers.get("X-Twilio-Webhooks-Signature-Settings", ""),
    }, body)  # fmt: skip


@given(st.text("ab=&+%2C3BG0\xfc\0 ") | st.binary(max_size=12).map(lambda data: data.decode("latin-1")))
def test_a_form_is_read_as_urllib_reads_it(text: str) -> None:
    body = text.encode("latin-1")
    try:
        known = parse_qsl(body.decode(), keep_blank_values=True, errors="strict") if body else []
    except ValueError:
        with pytest.raises(Unsigned):
            _pairs(body)
    else:
        assert _pairs(body) == known


@given(urls, st.text(max_size=20), st.booleans())
def test_json_is_taken_with_the_hash_of_its_body(url: str, text: str, shared: bool) -> None:
    body = text.encode("utf-8", "replace")
    url += ("&" if "?" in url else "?") + "bodySHA256=" + hashlib.sha256(body).hexdigest()
    headers = headers_for(url, None, shared=shared, media="application/json; charset=utf-8")
    assert takes(url, headers, body)
    assert not takes(url, headers, body + b" ")


def test_json_without_a_hash_is_not_signed() -> None:
    """The signature of a URL alone says nothing of the body."""
    assert not takes(URL, headers_for(URL, None, shared=False, media="application/json"), b"{}")


@pytest.mark.parametrize(("given_to_twilio", "signed"), [
    ("https://otp.example.com/a", "https://otp.example.com:443/a"),
    ("https://otp.example.com:8443/a", "https://otp.example.com/a"), ("http://localhost:5000/a", "http://localhost/a"),
    ("https://[2001:db8::1]/a", "https://[2001:db8::1]:443/a"),
])  # fmt: skip
def test_a_port_may_be_signed_or_not(given_to_twilio: str, signed: str) -> None:
    """Twilio does both, and its libraries take both."""
    assert takes(given_to_twilio, headers_for(signed, {}, shared=False), b"")


@pytest.mark.parametrize("shown", [{}, {"X-Twilio-Signature": "x"}, {"X-Twilio-Signature": "A" * 43 + "="},
                                   {"X-Twilio-Signature": "A" * 27 + "="} | SHARED])  # fmt: skip
def test_a_form_without_a_signature_is_not_read(monkeypatch: pytest.MonkeyPatch, shown: dict[str, str]) -> None:
    """Reading a long one takes longer than all the rest of the request."""
    monkeypatch.setattr(receipts, "_pairs", lambda _: pytest.fail("it was read"))
    assert not takes(URL, shown | {"Content-Type": FORM}, b"a=%41" * 10)


@pytest.mark.parametrize("body", [b"\xff=1", b"&".join([b"a=1"] * 101)])
def test_a_body_that_twilio_would_not_send_is_not_signed(body: bytes) -> None:
    assert not takes(URL, headers_for(URL, {}, shared=False), body)
