"""No code outside the message, no whole number in logs or answers."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from otp_app.apis import APIS
from tests.corpus.wire import exchange
from tests.faults.load import Clients
from tests.provider import Provider
from tests.running import KEY, WRITTEN_TO, RunningServer, call
from tests.web.documented import ACCOUNTS, BASIC, ENDPOINTS
from tests.web.site import api_key


@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
def test_nothing_leaks(clients: Callable[..., Clients], fake_twilio: Provider, channel: str) -> None:
    """After a busy run with refusals and provider faults: logs, answers and database files hold no live code.

    The lines of DEBUG are those of every level.
    """
    settings = {"OTP_CHANNELS": channel, "TWILIO_WHATSAPP_NUMBER": "+14155238886", "OTP_LOG_LEVEL": "DEBUG"}
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


NUMBER, CODE, WORD = "14155559876", "73849127", "s3cretW0rd"
PEER = "203.0.113.77"
BODIES = {
    "application/json": json.dumps(
        {"phone_number": f"+{NUMBER}", "otp": CODE, "passcode": CODE, "user_id": WORD, "session_token": WORD}
        | {"security_code": CODE}
    ),
    "application/x-www-form-urlencoded": f"To=%2B{NUMBER}&Code={CODE}&Channel=sms&phone_number=%2B{NUMBER}",
}


def test_no_route_of_any_api_logs_what_it_is_asked(tmp_path: Path) -> None:
    """No number, code, key, token or address of a client, from path, query, headers or body, limited or cut off."""
    (tmp_path / "users.csv").write_text(f"user_id,phone_number\n{WORD},+{NUMBER}\n", encoding="ascii")
    everything = {"OTP_APIS": ",".join(APIS), "OTP_DIRECTORY_URL": f"file:///{tmp_path}/users.csv",
                  "OTP_PROOF_KEYS": f"p1:HS256:{KEY}", "OTP_CLIENT_LIMITS": "3/hour",
                  "OTP_CHECK_LIMITS": "3/hour", "OTP_TRUSTED_PROXIES": "127.0.0.1", "OTP_PUBLIC": "1",
                  "OTP_COUNTRIES": "US", "OTP_LOG_LEVEL": "DEBUG", "OTP_API_KEYS": api_key("shop", "send", "right"),
                  "OTP_VERIFY_ACCOUNTS": ACCOUNTS, **WRITTEN_TO}  # fmt: skip
    shown = {"X-Forwarded-For": PEER, "Referer": f"http://x/{NUMBER}", "Cookie": WORD, "User-Agent": WORD,
             "Accept-Language": WORD, "Idempotency-Key": WORD, "Origin": f"http://{WORD}"}  # fmt: skip
    with Provider() as provider, RunningServer(tmp_path, provider.url, **everything) as server:
        for method, path in ROUTES:
            for media, body in BODIES.items():
                for keys in ({}, {"Authorization": f"Bearer {WORD}"}, {"Authorization": BASIC}, {"X-API-Key": "right"}):
                    query = f"?to=%2B{NUMBER}&key={WORD}"
                    call(server.port, method, path + query, body, {"Content-Type": media} | shown | keys)
        head = f"POST /{WORD} HTTP/1.1\r\nHost: {WORD}\r\nX: {CODE}"
        for cut in (f"POST /{NUMBER}", f"{NUMBER} {CODE}\r\n\r\n", head):
            with socket.create_connection(("127.0.0.1", server.port)) as sock:
                sock.sendall(cut.encode())
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
            sock.sendall(f"POST /{NUMBER} HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{CODE}".encode())
        server.stop()
        log = server.log()
    assert '"message": "Sent"' in log
    assert [mark for mark in (NUMBER, CODE, WORD, PEER, "127.0.0.1 ") if mark in log] == []


#: Each method of each route of every API, with a number and a word where a part of the path is free.
ROUTES = [
    (each.method.upper(), re.sub(r"{(\w+)}", lambda part: f"%2B{NUMBER}" if part[1] == "name" else WORD, each.path))
    for each in ENDPOINTS
]


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
