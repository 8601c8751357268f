"""What the load asks of the native API, and what must be answered."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from load import Answer, Turn

REQUEST = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
FAILED = b"OTP verification failed!"


def number(n: int) -> str:
    """The nth of ten million valid Indian mobile numbers."""
    return f"+91981{n:07d}"


def send_request(phone: str) -> bytes:
    """A request for a code."""
    return _request(b"/send-otp", f'{{"phone_number":"{phone}"}}')


def check_request(phone: str, code: str) -> bytes:
    """A request to check a code."""
    return _request(b"/verify-otp", f'{{"phone_number":"{phone}","otp":"{code}"}}')


def wrong(code: str) -> str:
    """A code of the same length that is not this one."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}d}"


def sends(numbers: Iterable[str]) -> Iterator[Turn]:
    """One message to each number."""
    return (_ask(send_request(phone), 200, b"true") for phone in numbers)


def guesses(codes: dict[str, str], refused: bool) -> Iterator[Turn]:
    """Wrong codes, over all numbers in turn, without end. `refused`: the server looks at them, bare Flask does not."""
    requests = [check_request(phone, wrong(code)) for phone, code in codes.items()]
    expected = (400, FAILED) if refused else (200, b"")
    return (_ask(request, *expected) for request in itertools.cycle(requests))


def flows(numbers: Iterable[str], codes: dict[str, str]) -> Iterator[Turn]:
    """A message to each number, then a check of the very code that was in it."""
    return (_send_then_check(phone, codes) for phone in numbers)


def _ask(request: bytes, status: int, part: bytes) -> Turn:
    answer = yield request
    return "" if answer[0] == status and part in answer[1] else _shown(answer)


def _send_then_check(phone: str, codes: dict[str, str]) -> Turn:
    answer = yield send_request(phone)
    if answer[0] != 200 or phone not in codes:
        return "send: " + _shown(answer)
    answer = yield check_request(phone, codes.pop(phone))
    return "" if answer[0] == 200 else "check: " + _shown(answer)


def _request(path: bytes, body: str) -> bytes:
    return REQUEST % (path, len(body), body.encode())


def _shown(answer: Answer) -> str:
    """Status and beginning of an answer, its long numbers left out so that equal faults count together."""
    body = re.sub(r"[0-9a-f]{4,}", "#", answer[1].decode(errors="replace"))
    return f"{answer[0]} {body[:100].strip()}"
