"""What clients saw of a server, and whether all of it can be true of a correct one.

Client threads record every call with its times; the stand-in for the provider records every message. `check` then
looks for what must never be seen, whatever was killed, locked or restarted in between:

I0  nothing but a code that was sent to this very number is accepted
I1  a verification is approved at most once
I2  after five wrong attempts no right code is accepted, across restarts
I3  an accepted send makes at most one message, a refused one none
I4  a code whose send was answered verifies until it expires, unless it was used, cancelled or locked
I5  nothing is approved later than one second after it expired
I6  what was approved is reported as approved afterwards
I7  no code in any log, answer or database file
I8  no 500; a 503 or 429 says when to come back

A 503 or a broken connection is an unknown outcome: what was asked may have happened, or not. The checker accuses
only where no order of events would explain what was seen.
"""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.running import Answer

MAX_ATTEMPTS = 5
_ATTEMPT = re.compile("[0-9]{4,10}")
_UNKNOWN = {None, 503}  # answers after which nobody knows what happened
_SERVER_FAULTS = {500, 504}


@dataclass(frozen=True)
class Event:
    """One call of a client: times are seconds of one monotonic clock, `status` None is a broken connection."""

    t0: float
    t1: float
    op: str  # send, check, cancel or status
    number: str
    purpose: str
    given: str  # the code of a check, the verification id of a cancel or status
    status: int | None
    answer: Mapping[str, Any]
    retry_after: str | None = None

    @property
    def accepted(self) -> bool:
        """Whether it certainly happened."""
        return self.status in (200, 202)

    @property
    def verification(self) -> str:
        """The id that the answer names."""
        return str(self.answer.get("verification_id", ""))


@dataclass(frozen=True)
class Post:
    """One message that reached the provider."""

    at: float
    number: str
    code: str


Seen = TypeVar("Seen", Event, Post)


class History:
    """The calls of all clients, in the order in which they ended."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._lock = threading.Lock()

    def record(self, op: str, number: str, given: str, request: Callable[[], Answer], purpose: str = "login") -> Event:
        """Do a call and keep what came of it."""
        t0 = time.monotonic()
        try:
            status, headers, body = request()
        except (OSError, http.client.HTTPException) as error:
            event = Event(t0, time.monotonic(), op, number, purpose, given, None, {"broken": repr(error)})
        else:
            answer = body if isinstance(body, dict) else {"body": body}
            event = Event(t0, time.monotonic(), op, number, purpose, given, status, answer, headers["Retry-After"])
        with self._lock:
            self.events.append(event)
        return event


def check(
    history: Iterable[Event], provider_log: Iterable[Post], texts: Mapping[str, bytes] | None = None
) -> list[str]:
    """Everything seen that must never be seen, a sentence each. `texts`: logs and files by name, for I7."""
    events, posts = sorted(history, key=lambda e: e.t0), list(provider_log)
    calls, messages = _by_number(events), _by_number(posts)
    stories = [_Story(v, p, calls[n], messages[n]) for v, n, p in _verifications(events)]
    texts = {f"the answer of {e.op} {e.number}": repr(e.answer).encode() for e in events} | dict(texts or {})
    return [
        *_more_messages_than_sends(calls, messages),
        *_leaks({post.code for post in posts}, texts),
        *_server_faults(events),
        *(fault for story in stories for fault in story.faults()),
    ]


def _verifications(events: Iterable[Event]) -> list[tuple[str, str, str]]:
    return list(dict.fromkeys((e.verification, e.number, e.purpose) for e in events if e.accepted and e.verification))


def _by_number(seen: Iterable[Seen]) -> defaultdict[str, list[Seen]]:
    """What was seen of each number, in the same order: of thousands, a story is about few."""
    found = defaultdict[str, list[Seen]](list)
    for each in seen:
        found[each.number].append(each)
    return found


def _more_messages_than_sends(calls: Mapping[str, list[Event]], messages: Mapping[str, list[Post]]) -> Iterator[str]:
    for number, posts in messages.items():
        sends = sum(e.op == "send" and _may_have_sent(e) for e in calls.get(number, ()))
        if len(posts) > sends:
            yield f"I3: {len(posts)} messages to {number} for {sends} sends"


def _may_have_sent(event: Event) -> bool:
    return event.accepted or event.status in _UNKNOWN | {502}


def _leaks(codes: set[str], texts: Mapping[str, bytes]) -> Iterator[str]:
    """Codes that stand alone in a text. Digits after a point are fractions of seconds, inside a word parts of an id."""
    for name, text in texts.items():
        for found in re.findall(rb"(?<![0-9A-Za-z.])[0-9]{4,10}(?![0-9A-Za-z])", text):
            if found.decode() in codes:
                yield f"I7: a code in {name}"


def _server_faults(events: list[Event]) -> Iterator[str]:
    for event in events:
        if event.status in _SERVER_FAULTS:
            yield f"I8: {event.status} for {event.op} {event.number}: {event.answer}"
        if event.status in (429, 503) and not event.retry_after:
            yield f"I8: {event.status} without Retry-After for {event.op} {event.number}"


def _wrong_attempts(code: str, checks: Iterable[Event]) -> list[Event]:
    return [e for e in checks if e.given != code and _ATTEMPT.fullmatch(e.given)]


class _Story:
    """All that is known of one verification, from the calls and messages of its number."""

    def __init__(self, id_: str, purpose: str, events: list[Event], posts: list[Post]) -> None:
        self.id = id_
        mine = [e for e in events if e.purpose == purpose]
        self.sends = [e for e in mine if e.op == "send" and e.accepted and e.verification == id_]
        self.checks = [e for e in mine if e.op == "check"]
        self.approvals = [e for e in self.checks if e.accepted and e.verification == id_]
        self.cancels = [e for e in mine if e.op == "cancel" and e.given == id_ and e.status in _UNKNOWN | {200, 204}]
        self.reports = [e for e in mine if e.op == "status" and e.given == id_ and e.accepted]
        self.possible_codes = {p.code for p in posts}
        self.codes = {p.code for p in posts for s in self.sends if s.t0 <= p.at <= s.t1}

    def faults(self) -> Iterator[str]:
        """What must never be seen of one verification."""
        if any(a.given not in self.possible_codes for a in self.approvals):
            yield f"I0: {self.id} was approved with a code that was never sent"
        if len(self.approvals) > 1:
            yield f"I1: {self.id} was approved {len(self.approvals)} times"
        if self.sends:
            yield from self._approvals_against_rules()
            yield from self._refused_without_reason()
        yield from self._forgotten_approvals()

    def _approvals_against_rules(self) -> Iterator[str]:
        begun, ends = self.sends[0].t1, max(s.t1 + float(s.answer["expires_in"]) for s in self.sends)
        for approval in self.approvals:
            wrong = _wrong_attempts(approval.given, self.checks)
            wrong = [e for e in wrong if begun <= e.t0 and e.t1 <= approval.t0]
            if sum(e.status == 400 for e in wrong) >= MAX_ATTEMPTS:
                yield f"I2: {self.id} was approved after {len(wrong)} wrong attempts"
            if approval.t0 > ends + 1:
                yield f"I5: {self.id} was approved {approval.t0 - ends:.1f} s after it expired"

    def _refused_without_reason(self) -> Iterator[str]:
        if len(self.codes) != 1:  # nobody knows which code belongs to this verification
            return
        code = next(iter(self.codes))
        begun = self.sends[0].t1
        for refused in (e for e in self.checks if e.given == code and e.status == 400 and e.t0 >= begun):
            if not self._explains(refused, code):
                yield f"I4: the code of {self.id} was refused"

    def _explains(self, refused: Event, code: str) -> bool:
        before = [e for e in self.checks if e.t0 <= refused.t1 and e is not refused]
        used = any(e.given == code and (e.accepted or e.status in _UNKNOWN) for e in before)
        locked = sum(e.status in _UNKNOWN | {400} for e in _wrong_attempts(code, before)) >= MAX_ATTEMPTS
        ends = max(s.t0 + float(s.answer["expires_in"]) for s in self.sends if s.t0 <= refused.t0)
        expired = refused.t1 >= ends - 1  # expires_in is whole seconds
        return used or locked or expired or any(e.t0 <= refused.t1 for e in self.cancels)

    def _forgotten_approvals(self) -> Iterator[str]:
        for report in self.reports:
            if report.answer.get("status") != "approved" and any(a.t1 <= report.t0 for a in self.approvals):
                yield f"I6: {self.id} was approved and is then reported as {report.answer.get('status')}"
