"""What must hold after a case besides its status: one function for each name that the corpus uses."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

import psycopg
import redis

from tests.corpus.cases import Case
from tests.corpus.placeholders import FIELDS, ROUTES, Placeholders
from tests.corpus.wire import Response, exchange
from tests.provider import Provider
from tests.running import RunningServer
from tests.twilio.twilio_model import Call

CLOSED = "close"
_VALUE = re.compile(r':\s*"([^"\\]{6,})"')  # the strings of a body, their keys left out
_DIGITS = re.compile(r"\d{7,}")
_MESSAGE = re.compile(r"Your OTP is: (\d{6})")
_EXAMPLE = "such as +14155552671"  # of the right form, which the error shows whatever was asked
_SENDER, _TTL = "+15005550006", 300


@dataclass
class Service:
    """A running server, the provider behind it, and numbers that it has not seen."""

    server: RunningServer
    provider: Provider
    numbers: Iterator[str]
    private: list[str] = field(default_factory=list)  # the numbers and codes of all cases, for a look at the log

    def records(self) -> int:
        """How many records the store holds, counters apart; 0 where it cannot be seen from outside."""
        url = self.server.environment["OTP_STORE_URL"]
        if url.startswith("sqlite"):
            with closing(sqlite3.connect(f"file:{url.removeprefix('sqlite:///')}?mode=ro", uri=True)) as database:
                return int(database.execute("SELECT count(*) FROM entries").fetchone()[0])
        if url.startswith("redis"):
            with redis.Redis.from_url(url) as client:
                return len(client.keys("otp:v:*"))
        if url.startswith("postgres"):
            with psycopg.connect(url) as db:
                return int(db.execute("SELECT count(*) FROM otp_entries WHERE value IS NOT NULL").fetchall()[0][0])
        return 0


@dataclass
class Run:
    """One case, done: what was sent, what came back, and how things were before."""

    service: Service
    case: Case
    values: Placeholders
    request: bytes
    answers: list[Response]
    calls: list[Call]  # what the provider was asked because of it
    records: int  # in the store before it

    @classmethod
    def of(cls, service: Service, case: Case) -> Run:
        """Do a case."""
        values = Placeholders(service.server, service.provider, service.numbers)
        if case.data.get("pre") == "sent":
            values.send()
        request = case.request(values)
        calls, records = len(service.provider.calls), service.records()
        answers = exchange(service.server.port, request)
        service.private += values.made().values()
        return cls(service, case, values, request, answers, service.provider.calls[calls:], records)

    @property
    def status(self) -> int | str:
        """The status of the first answer."""
        return self.answers[0].status if self.answers else CLOSED

    @property
    def sent(self) -> str:
        """The body as text."""
        return self.request.partition(b"\r\n\r\n")[2].decode("utf-8", "replace")


def problems(run: Run) -> list[str]:
    """What is wrong with a run, a sentence each."""
    found = [] if run.status in run.case.expect else [f"status {run.status}, expected {run.case.expect}"]
    for name in dict.fromkeys((*run.case.invariants, "server_alive")):
        found += [f"{name}: {problem}" for problem in INVARIANTS[name](run)]
    return found


def _no5xx(run: Run) -> Iterator[str]:
    yield from (f"{answer.status}" for answer in run.answers if answer.status >= 500)


def _no500(run: Run) -> Iterator[str]:
    yield from (f"{answer.status}" for answer in run.answers if answer.status in (500, 502, 503, 504))


def _json_error(run: Run) -> Iterator[str]:
    for answer in run.answers:
        if run.request.startswith(b"HEAD "):  # has no body
            continue
        if not answer.header("Content-Type").startswith("application/json"):
            yield f"Content-Type is {answer.header('Content-Type')!r}"
        body = answer.json
        if not isinstance(body, dict) or not (isinstance(body.get("error"), str) or body.get("success") is False):
            yield f"no error in {answer.body[:200]!r}"
        if b"Traceback" in answer.body or b"<html" in answer.body.lower():
            yield f"not for callers: {answer.body[:200]!r}"


def _no_send(run: Run) -> Iterator[str]:
    yield from (f"the provider got {call}" for call in run.calls)


def _no_store(run: Run) -> Iterator[str]:
    if (now := run.service.records()) != run.records:
        yield f"{now} records, {run.records} before"
    made = run.values.made()
    for number in (made[name] for name in ("phone", "unsent_phone") if name in made):
        answer = run.service.server.post(ROUTES["SEND"], {"phone_number": number})
        if answer.status != 200:
            yield f"the first send to {number} is refused: {answer.status} {answer.json}"


def _no_echo(run: Run) -> Iterator[str]:
    secrets = {value.lstrip("+") for value in run.values.made().values()}
    secrets |= set(_DIGITS.findall(run.sent)) | set(_VALUE.findall(run.sent)) - set(FIELDS.values())
    for text in (answer.text.replace(_EXAMPLE, "") for answer in run.answers):
        yield from (f"{secret!r} in {text!r}" for secret in sorted(secrets) if secret in text)


def _not_verified(run: Run) -> Iterator[str]:
    for answer in run.answers:
        if answer.status < 300 or (isinstance(answer.json, dict) and answer.json.get("success") is True):
            yield f"{answer.status} {answer.body!r}"
    if run.values.sent:
        right = {"phone_number": run.values.phone, "otp": run.values.code}
        if (after := run.service.server.post(ROUTES["VERIFY"], right)).status != 200:
            yield f"the live code does not work any more: {after.status} {after.json}"


def _field_ignored(run: Run) -> Iterator[str]:
    if run.status not in (200, 202):
        yield from _no_send(run)
        return
    if len(run.calls) != 1:
        yield f"{len(run.calls)} requests to the provider"
    for form in (call.form for call in run.calls):
        if form.keys() - {"To", "From", "Body", "ValidityPeriod", "StatusCallback"}:
            yield f"more than a message needs: {form}"
        if (form["To"], form["From"]) != ([run.values.phone], [_SENDER]):
            yield f"to {form['To']} from {form['From']}"
        if not _MESSAGE.fullmatch(form["Body"][0]) or not _TTL - 5 <= int(form["ValidityPeriod"][0]) <= _TTL:
            yield f"another message: {form}"
        if set(_VALUE.findall(run.sent)) & set(form["Body"]) or _MESSAGE.sub(r"\1", form["Body"][0]) in run.sent:
            yield f"the caller chose {form['Body']}"


def _same_as_wrong(run: Run) -> Iterator[str]:
    model = Placeholders(run.service.server, run.service.provider, run.service.numbers)
    model.send()
    wrong = run.service.server.post(ROUTES["VERIFY"], {"phone_number": model.phone, "otp": model.wrong})
    for answer in run.answers:
        if (answer.status, answer.json) != (wrong.status, wrong.json):
            yield f"{answer.status} {answer.json}, a wrong code {wrong.status} {wrong.json}"
        if {name for name, _ in answer.headers} != set(wrong.headers):
            yield f"headers {answer.headers}, of a wrong code {wrong.headers.items()}"


def _allow_header(run: Run) -> Iterator[str]:
    for answer in run.answers:
        if "POST" not in re.split(r",\s*", answer.header("Allow")):
            yield f"Allow is {answer.header('Allow')!r}"


def _no_acao(run: Run) -> Iterator[str]:
    yield from (f"{answer.headers}" for answer in run.answers if answer.header("Access-Control-Allow-Origin"))


def _no_header_reflect(run: Run) -> Iterator[str]:
    hostile = {run.values.fill(v) for name, v in run.case.headers.items() if name != "Content-Type" and len(v) >= 3}
    for answer in run.answers:
        yield from (f"{value[:40]!r} in {answer.text!r}" for value in sorted(hostile) if value in answer.text)


def _server_alive(run: Run) -> Iterator[str]:
    if not run.service.server.healthy():
        yield "/healthz does not answer 200"


INVARIANTS: dict[str, Callable[[Run], Iterator[str]]] = {
    "no5xx": _no5xx, "no500": _no500, "json_error": _json_error, "no_send": _no_send, "no_store": _no_store,
    "no_echo": _no_echo, "not_verified": _not_verified, "field_ignored": _field_ignored,
    "same_as_wrong": _same_as_wrong, "allow_header": _allow_header, "no_acao": _no_acao,
    "no_header_reflect": _no_header_reflect, "server_alive": _server_alive,
}  # fmt: skip
