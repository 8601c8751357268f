"""The address that is told of events, and the secrets that sign them."""

from __future__ import annotations

import base64

import pytest

from otp_app import startup
from otp_app.settings import webhooks

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
RANDOM = "whsec_" + base64.b64encode(bytes.fromhex("9f02c4d1a07b3e586c11f7d2e93a4460bb5d8c0718ef6a23")).decode()


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com/otp", "https://example.com", "https://example.com:8443/a?token=b",
        "http://127.0.0.1:9000/x", "http://localhost/x", "http://[::1]:9/x",
    ],
)  # fmt: skip
def test_an_address_that_will_do(text: str) -> None:
    assert webhooks.url(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "http://example.com/otp", "https://user:password@example.com/", "https://example.com/#x", "https:///x", "x",
        "ftp://127.0.0.1/", "https://example.com:0/", "https://exa mple.com/", "https://example.com:99999/",
        "https://example.com\\@127.0.0.1/", "https://[::1", "http://localhost.example.com/", "https://ex.com/\r\nX: y",
    ],
)  # fmt: skip
def test_an_address_that_is_rejected_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        webhooks.url(text)
    assert str(caught.value) == webhooks.URL


def test_secrets_old_and_new() -> None:
    assert webhooks.secrets(f"{SECRET}, {RANDOM}")[0] == bytes(range(32))


@pytest.mark.parametrize("text", [SECRET[6:], "whsec_", "whsec_AAAA", "whsec_!", f"{SECRET},{SECRET}", ",", SECRET * 2])
def test_secrets_that_are_rejected(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        webhooks.secrets(text)
    assert "AAEC" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"OTP_EVENTS_SECRETS": SECRET}, "OTP_EVENTS_SECRETS: a key is not random"),
        (
            {"OTP_EVENTS_SECRETS": RANDOM, "OTP_STORE_URL": "tests.shared_store:NetworkStore"},
            "OTP_EVENTS_URL: this store keeps no jobs",
        ),
    ],
)
def test_what_events_need(given: dict[str, str], fault: str) -> None:
    with pytest.raises(startup.BadSettings) as caught:
        startup.load({"OTP_EVENTS_URL": "https://example.com/"} | given)
    assert any(line.startswith(fault) for line in caught.value.faults)


def test_events_with_a_secret_are_in_order() -> None:
    settings = startup.load({"OTP_EVENTS_URL": "https://example.com/?token=x", "OTP_EVENTS_SECRETS": RANDOM})
    assert "token" not in repr(settings)
    assert "whsec" not in repr(settings)
