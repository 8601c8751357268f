"""No code outside the message, no whole number in logs or answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.corpus.wire import exchange
from tests.faults.load import Clients
from tests.provider import Provider


@pytest.mark.parametrize("level", ["", "DEBUG"])
@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
def test_nothing_leaks(clients: Callable[..., Clients], fake_twilio: Provider, level: str, channel: str) -> None:
    """After a busy run with refusals and provider faults: logs, answers and database files hold no live code."""
    settings = {"OTP_CHANNELS": channel, "TWILIO_WHATSAPP_NUMBER": "+14155238886", "OTP_LOG_LEVEL": level}
    with clients(**settings) as busy:
        busy.wait_for(200)
        for fault in (21211, 21610, 20429, 20500):
            fake_twilio.fail(fault, times=2)
            busy.wait_for(20)
        busy.server.hup()
        busy.wait_for(40)
    live = [busy.next_number() for _ in range(20)]  # codes that are not used up when the files are read
    assert {busy.send(number, path="/resend-otp").status for number in live} == {200}
    fake_twilio.fail(20003)
    assert busy.send(busy.next_number()).status == 503
    assert busy.faults() == []
    busy.server.stop()
    assert busy.faults() == []
    assert whole_numbers_in(busy) == []


def whole_numbers_in(clients: Clients) -> list[str]:
    """Where a number that was used shows in full: the log, or an answer."""
    numbers = {event.number.lstrip("+") for event in clients.history.events}
    texts = [clients.server.log(), *(repr(event.answer) for event in clients.history.events)]
    return [text[:200] for text in texts if any(number in text for number in numbers)]


def test_headers_and_bodies_of_raw_answers_hold_no_code(clients: Callable[..., Clients]) -> None:
    """The answers as they come over the wire, headers included, to right, wrong and refused calls."""
    calm = clients()
    number = calm.next_number()
    calm.send(number)
    code = calm.provider.code(number)
    for path, fields in (
        ("/send-otp", f'"phone_number": "{number}"'),
        ("/verify-otp", f'"phone_number": "{number}", "otp": "{code}x"'),
        ("/verify-otp", f'"phone_number": "{number}", "otp": "{code}"'),
    ):
        body = "{" + fields + "}"
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        (answer,) = exchange(calm.server.port, f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        assert code not in answer.text
        assert number.lstrip("+") not in answer.text


def test_the_key_file_is_for_its_owner_alone(clients: Callable[..., Clients], tmp_path: Path) -> None:
    """The keys that codes are derived from lie beside the database, mode 0600."""
    clients()
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.glob("*.keys*")} == {"otp.keys": "0o600"}
