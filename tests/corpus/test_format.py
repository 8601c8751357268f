"""The corpus format is read as README.md beside this file explains it."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.corpus.cases import Case, cases, documents
from tests.corpus.invariants import INVARIANTS
from tests.corpus.placeholders import Placeholders
from tests.corpus.wire import exchange
from tests.phones import fresh_numbers


@pytest.fixture
def values() -> Placeholders:
    """Placeholders that need no server."""
    return Placeholders(cast("Any", SimpleNamespace(port=8000)), cast("Any", None), fresh_numbers())


def request(values: Placeholders, target: str = "SEND", **data: Any) -> bytes:
    return Case("x", target, {"expect": [400]} | data).request(values)


def test_a_case_is_a_json_post_unless_it_says_otherwise(values: Placeholders) -> None:
    """Method, path, Host, Content-Type and Content-Length are filled in."""
    head, _, body = request(values, body={"text": '{"{{F_PHONE}}":"{{PHONE}}"}'}).partition(b"\r\n\r\n")
    assert body == b'{"phone_number":"+14155551000"}'
    assert head.decode().split("\r\n") == [
        "POST /send-otp HTTP/1.1", "Host: 127.0.0.1:8000", "Content-Type: application/json", "Content-Length: 31",
    ]  # fmt: skip


def test_a_case_can_replace_and_drop_headers(values: Placeholders) -> None:
    """Names are compared without regard to case; other bytes than ASCII pass."""
    sent = request(values, headers={"host": "é"}, drop_headers=["Content-Type"])
    assert sent == b"POST /send-otp HTTP/1.1\r\nContent-Length: 0\r\nhost: \xe9\r\n\r\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"text": "é", "encoding": "utf-16-le"}, b"\xe9\x00"),
        ({"base64": "AAE="}, b"\x00\x01"),
        ({"repeat": {"prefix": "a", "unit": "b", "count": 3, "suffix": "c"}}, b"abbbc"),
        ({"nest": {"open": "[", "mid": "1", "close": "]", "count": 2}}, b"[[1]]"),
        ({"keys": {"count": 2, "value": "1"}}, b'{"k0":1,"k1":1}'),
    ],
)
def test_every_kind_of_body(values: Placeholders, body: dict[str, Any], expected: bytes) -> None:
    """Text with an encoding, bytes, and long or deep bodies in a few words."""
    assert request(values, body=body).partition(b"\r\n\r\n")[2] == expected


def test_a_length_counts_the_text_with_its_values(values: Placeholders) -> None:
    """The braces of JSON at the end of the text are part of it."""
    assert values.fill('{{LEN:{"{{F_PHONE}}":"{{PHONE}}"}}}') == "31"


def test_braces_that_are_no_placeholder_stay(values: Placeholders) -> None:
    """Template texts are what some cases are about."""
    assert values.fill("{{7*7}} {{NOBODY}} {0}") == "{{7*7}} {{NOBODY}} {0}"


def test_our_own_cases_are_many_and_distinct() -> None:
    """No case hides another, and none names an invariant that nobody tests."""
    names = Counter(case["id"] for document in documents() for case in (*document["cases"], *document["sequences"]))
    assert names.total() >= 900
    assert [name for name, times in names.items() if times > 1] == []
    assert {name for case in cases() for name in case.invariants} <= INVARIANTS.keys()


def test_interim_answers_are_left_out_and_later_ones_kept() -> None:
    """100 Continue is no answer; a second answer on the same connection is."""
    answers = exchanged(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 No\r\nContent-Length: 2\r\n\r\n{}"
                        b"HTTP/1.1 405 No\r\nContent-Length: 0\r\nAllow: POST\r\n\r\n")  # fmt: skip
    assert [(answer.status, answer.body) for answer in answers] == [(400, b"{}"), (405, b"")]
    assert answers[1].header("allow") == "POST"


def test_a_connection_closed_without_an_answer_is_none() -> None:
    """That is what the corpus calls close."""
    assert exchanged(b"") == []


def exchanged(answer: bytes) -> list[Any]:
    """What exchange makes of a server that says this."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            return exchange(listener.getsockname()[1], b"POST / HTTP/1.1\r\n\r\n")
        finally:
            thread.join()
