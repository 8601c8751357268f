"""The history checker finds each broken invariant, and accuses nobody without need."""

import http.client
from typing import Any

import pytest

from tests.history import Event, History, Post, check
from tests.running import Answer

NUMBER = "+14155551000"
CODE, WRONG = "482913", "111111"
SENT = {"verification_id": "VE1", "expires_in": 300}
POSTED = [Post(0.5, NUMBER, CODE)]


def event(op: str, t0: float, given: str = "", status: int | None = 200, **more: Any) -> Event:
    retry_after, answer = more.pop("retry_after", None), more.pop("answer", {})
    return Event(t0, t0 + 0.1, op, NUMBER, more.pop("purpose", "login"), given, status, answer, retry_after)


def send(t0: float = 0.45, status: int | None = 200, answer: Any = SENT) -> Event:
    return event("send", t0, status=status, answer=answer)


def right(t0: float, status: int | None = 200, purpose: str = "login") -> Event:
    return event("check", t0, CODE, status, answer={"verification_id": "VE1"} if status == 200 else {}, purpose=purpose)


def wrong(t0: float, status: int | None = 400, attempt: str = WRONG) -> Event:
    return event("check", t0, attempt, status, retry_after="1" if status == 503 else None)


def five_wrong(status: int | None = 400) -> list[Event]:
    return [wrong(1.0 + n, status) for n in range(5)]


GOOD = {
    "an ordinary run": [send(), wrong(1), right(2), right(3, 400)],
    "a send without an answer": [send(status=None, answer={}), right(2)],
    "a code that was locked": [send(), *five_wrong(), right(7, 400)],
    "five attempts whose fate nobody knows, then accepted": [send(), *five_wrong(None), right(7)],
    "five attempts whose fate nobody knows, then refused": [send(), *five_wrong(503), right(7, 400)],
    "five wrong attempts while the right one is under way": [send(), *five_wrong(), right(1)],
    "text that is no attempt": [send(), *(wrong(1, attempt="12-45x") for _ in range(6)), right(7)],
    "a right code whose answer was lost": [send(), right(2, None), right(3, 400)],
    "a code that was cancelled": [send(), event("cancel", 2, "VE1"), right(3, 400)],
    "a code that expired": [send(), right(301, 400)],
    "a code for another purpose": [send(), right(2, 400, purpose="payment"), right(3)],
    "an attempt before the send was answered": [right(0.4, 400), send(), right(2)],
    "a server that says when to come back": [event("send", 0.1, status=429, retry_after="30"),
                                             event("send", 0.2, status=503, retry_after="1"), send()],
    "an approval that is remembered": [send(), right(2), event("status", 3, "VE1", answer={"status": "approved"})],
}  # fmt: skip

BAD = {
    "I0 a code that was never sent": [send(), event("check", 2, WRONG, answer={"verification_id": "VE1"})],
    "I1 two approvals": [send(), right(2), right(3)],
    "I2 accepted after five wrong attempts": [send(), *five_wrong(), right(7)],
    "I3 a refused send that made a message": [event("send", 0.1, status=429, retry_after="30")],
    "I4 a live code refused": [send(), wrong(1), right(2, 400)],
    "I5 accepted after it expired": [send(), right(302)],
    "I6 an approval that was forgotten": [send(), right(2), event("status", 3, "VE1", answer={"status": "pending"})],
    "I7 a code in an answer": [send(answer=SENT | {"otp": CODE})],
    "I8 a 500": [send(), wrong(1, 500)],
    "I8 a 503 without Retry-After": [send(), event("check", 1, WRONG, 503)],
}


@pytest.mark.parametrize("events", GOOD.values(), ids=GOOD.keys())
def test_a_history_that_can_be_true_is_not_accused(events: list[Event]) -> None:
    """Unknown outcomes, locks, cancels and expiry explain what was seen."""
    assert check(events, POSTED) == []


@pytest.mark.parametrize(("name", "events"), BAD.items(), ids=BAD.keys())
def test_each_broken_invariant_is_found(name: str, events: list[Event]) -> None:
    """One violation, and it is named."""
    assert [fault[:2] for fault in check(events, POSTED)] == [name[:2]]


def test_two_messages_for_one_send_are_found() -> None:
    """I3 compares with the provider's own log."""
    assert check([send()], [*POSTED, Post(0.51, NUMBER, CODE)])[0].startswith("I3: 2 messages")


def test_a_code_in_a_file_is_found() -> None:
    """I7 reads logs and database files, as text or inside a record."""
    texts = {"log": f"sent {CODE}.".encode(), "database": b'\x00"otp":"' + CODE.encode() + b'"\xff'}
    assert check([send()], POSTED, texts) == ["I7: a code in log", "I7: a code in database"]


def test_digits_inside_ids_and_fractions_are_no_codes() -> None:
    """The same six digits in an id or after a point are chance."""
    assert check([send()], POSTED, {"log": f"VE-{CODE}ab VE{CODE}-a took 0.{CODE} s".encode()}) == []


def test_the_order_of_the_list_does_not_matter() -> None:
    """Threads append when they end; the times count: five attempts after the first send are five, resends or not."""
    events = [right(7), send(6.5), *reversed(five_wrong()), send()]
    assert [fault[:2] for fault in check(events, POSTED)] == ["I2"]


def test_record_keeps_what_came_back() -> None:
    """Status, body, Retry-After and the times of a call are in the event."""
    headers = http.client.HTTPMessage()
    headers["Retry-After"] = "7"
    kept = History().record("send", NUMBER, "", lambda: Answer(429, headers, {"error": "too soon"}))
    assert (kept.status, kept.retry_after, kept.answer) == (429, "7", {"error": "too soon"})
    assert kept.t0 <= kept.t1


def test_record_keeps_a_broken_connection_as_unknown() -> None:
    """An exception of the connection is a status of None, not an error of the test."""

    def broken() -> Answer:
        raise ConnectionResetError

    history = History()
    history.record("check", NUMBER, CODE, broken)
    assert [e.status for e in history.events] == [None]
