"""A support case: what is known of a number, and of one verification, as the pages show it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, NamedTuple

from otp_app.apis.operator import words
from otp_app.core.codes import SID_DIGITS
from otp_app.core.delivery import Channel, error_page, explain
from otp_app.core.endings import Message
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Status
from otp_app.core.limits import seconds_to_next_send, sends_left
from otp_app.core.notifications import View
from otp_app.core.policy import HOUR, Policy
from otp_app.core.results import VerificationView
from otp_app.history.rows import Row, messages_in, tags_in
from otp_app.web.timeline import at, notification, timeline

VERIFICATION, NOTIFICATION = re.compile(f"VE{SID_DIGITS}"), re.compile(f"NT{SID_DIGITS}")
OF_PROVIDER = re.compile("(SM|MM)[0-9a-f]{32}")  # Twilio's name for a message
MOST_ROWS = 50  # of a number
#: what reading a row raises whose columns have what no server writes
DAMAGED = (ValueError, TypeError, LookupError, AttributeError, OverflowError, OSError)


class Step(NamedTuple):
    """One moment of a timeline."""

    at: str
    text: str
    detail: str = ""  # what it means, and what helps
    tone: str = "plain"
    link: str = ""  # where the provider explains it
    provider_id: str = ""  # the provider's name for the message


@dataclass(frozen=True, slots=True)
class Case:
    """A verification or a notification."""

    id: str
    status: str
    to: str  # masked
    subject: str
    is_pending: bool
    steps: Sequence[Step]
    facts: Sequence[tuple[str, str]]
    is_remembered: bool  # its number is still known, so that it can be blocked
    waits_for: str = "the code"

    @property
    def state(self) -> str:
        """The status in words."""
        return words.STATES.get(self.status, self.status)

    @property
    def finding(self) -> Step | None:
        """The last thing that went wrong, unless the code was typed all the same."""
        failed = [step for step in self.steps if step.detail]
        return failed[-1] if failed and self.status not in words.GOOD else None


class Entry(NamedTuple):
    """A verification or notification in the list of a number."""

    id: str
    begun: float
    subject: str
    status: str
    channels: str
    delivery: str
    error: str
    remedy: str


@dataclass(frozen=True, slots=True)
class NumberCase:
    """A number."""

    phone: str  # E.164, for the forms alone
    to: str  # masked
    country: str
    is_blocked: bool
    facts: Sequence[tuple[str, str]]
    findings: Sequence[Step]  # why it gets nothing
    entries: Sequence[Entry]
    has_older: bool = False  # that are not among the entries


def of_view(view: VerificationView, channels: Sequence[Channel]) -> Case:
    """Return a verification that the store remembers."""
    shown = timeline(view, channels)
    facts = [("Purpose", shown["purpose"])]
    facts += [] if shown["ended_at"] else [("Seconds left", str(shown["expires_in"]))]
    facts += [("Wrong codes", f"{shown['attempts']} ({shown['attempts_left']} more allowed)")]
    facts += [(f"Tag {name}", value) for name, value in shown["tags"].items()]
    return Case(
        shown["verification_id"], shown["status"], shown["to"] or "a number that is not known yet", shown["purpose"],
        is_pending=view.status == Status.PENDING, steps=list(_steps(shown, channels)), facts=facts,
        is_remembered=bool(view.phone),
    )


def of_notification(view: View, channels: Sequence[Channel]) -> Case:
    """Return a notification that the store remembers."""
    shown = notification(view, channels)
    steps = [Step(shown["created_at"], f"Notification requested for {shown['template']}")]
    for send in shown["sends"]:
        steps += _send_steps(send, channels)
    ended, reason = view.record.ended_at, shown["reason"]
    if ended is not None:
        meaning = words.meaning(reason) if reason and reason != shown["status"] else None
        detail = f"{meaning.name}. {meaning.remedy}" if meaning else ""
        state = words.STATES.get(shown["status"], shown["status"])
        steps.append(Step(at(ended), state.capitalize(), detail, words.tone(shown["status"])))
    return Case(
        shown["id"], shown["status"], shown["to"], shown["template"], is_pending=ended is None, steps=steps,
        facts=[("Template", shown["template"])], is_remembered=False, waits_for="the next message",
    )


def of_row(row: Row, channels: Sequence[Channel]) -> Case:
    """Return a verification or a notification of the history; one whose row is damaged says so."""
    try:
        return _of_row(row, channels)
    except DAMAGED:
        step = Step("", "The history cannot read this row", f"{_damage(row)} The rest of the history is not affected: "
                    "correct the row, delete it, or restore the database from a backup.", "bad")
        return Case(str(row.id), "damaged", str(row.shown) or "a number", str(row.subject), is_pending=False,
                    steps=[step], facts=[], is_remembered=False)


def _damage(row: Row) -> str:
    """Return where a row is damaged."""
    readers: dict[str, Callable[[Any], object]] = {
        "begun": at, "ended": at, "tags": tags_in, "messages": lambda text: [at(each.at) for each in messages_in(text)],
    }
    for name, read in readers.items():
        try:
            read(getattr(row, name))
        except DAMAGED:
            return f"In the table otp_history, the row with the id {row.id} has no valid value in the column {name}."
    return f"In the table otp_history, the row with the id {row.id} has a value that no server writes."


def _of_row(row: Row, channels: Sequence[Channel]) -> Case:
    facts = [("Purpose" if row.digits else "Template", row.subject), ("Country", row.country or "unknown")]
    facts += [("Wrong codes", str(row.attempts))] if row.digits else []
    facts += [("Asked by", f"{row.api or 'unknown API'}{', key ' + row.key_name if row.key_name else ''}")]
    facts += [(f"Tag {name}", value) for name, value in tags_in(row.tags).items()]
    return Case(
        row.id, row.outcome, row.shown or "a number that was never known", row.subject, is_pending=False,
        steps=list(_row_steps(row, channels)), facts=facts, is_remembered=False,
    )


def of_number(
    phone: str, shown: tuple[str, str], ledger: Ledger | None, rows: Sequence[Row], now: Instant, policy: Policy,
    channels: Sequence[Channel],
) -> NumberCase:
    """Return a number with all that is known of it; `shown` are its masked form and its country."""
    known = {row.id for row in rows}
    present = sorted((*ledger.gone, *ledger.verifications), key=lambda v: -v.begun.wall) if ledger else []
    views = [VerificationView(v, phone, now, policy) for v in present if v.id not in known]
    live = [_entry(timeline(view, channels), view) for view in views]
    entries = [*live, *(_row_entry(row, channels) for row in rows[:MOST_ROWS])]
    return NumberCase(
        phone, *shown, is_blocked=bool(ledger and ledger.blocked),
        facts=_facts(ledger, now, policy), findings=list(_findings(ledger, entries, now, policy)),
        entries=entries, has_older=len(rows) > MOST_ROWS,
    )


def _steps(shown: dict[str, Any], channels: Sequence[Channel]) -> Iterator[Step]:
    yield Step(shown["created_at"], f"Code requested for {shown['purpose']}")
    for send in shown["sends"]:
        yield from _send_steps(send, channels)
    if (inbound := shown.get("inbound")) and inbound["channel"]:
        yield Step(shown["ended_at"] or "", f"The user wrote by {words.channel(inbound['channel'])}")
    if shown["ended_at"]:
        status = shown["status"]
        yield Step(shown["ended_at"], words.STATES.get(status, status).capitalize(), tone=words.tone(status))


def _send_steps(send: dict[str, Any], channels: Sequence[Channel]) -> Iterator[Step]:
    """Yield what became of a message: what its provider answered, then what it reported."""
    channel, reports = send["channel"], send["receipts"]

    def step(said: dict[str, Any], state: str, **more: str) -> Step:
        link = error_page(channels, channel, said["error_code"] or 0)
        return Step(said["at"], words.message(channel, state, **more), _detail(said), words.tone(state), link)

    first = Step(send["at"], words.message(channel, "sent")) if reports else step(send, send["delivery"])
    yield first._replace(provider_id=send["provider_id"] or "")
    yield from (step(report, report["status"], by="report") for report in reports)


def _detail(said: dict[str, Any]) -> str:
    if number := said["error_code"]:
        return f"Error {number}: {said['explanation'] or 'the channel does not explain this number'}."
    reason = said.get("reason")
    return f"{words.meaning(reason).name}. {words.meaning(reason).remedy}" if reason else ""


def _row_steps(row: Row, channels: Sequence[Channel]) -> Iterator[Step]:
    yield Step(at(row.begun), f"{'Code' if row.digits else 'Notification'} requested for {row.subject}")
    messages = messages_in(row.messages)
    for message, sentence in zip(messages, _sentences(messages, channels), strict=True):
        detail = f"Error {message.error_code}: {sentence}." if sentence else ""
        if not detail and message.delivery in words.BAD:
            number = f"Error {message.error_code}: " if message.error_code else ""
            detail = f"{number}{words.meaning(row.error).name}. {words.meaning(row.error).remedy}"
        took = "" if message.delivered_after is None else f", after {message.delivered_after:.1f} s"
        text, tone = words.message(message.channel, message.delivery), words.tone(message.delivery)
        link = error_page(channels, message.channel, message.error_code)
        yield Step(at(message.at), f"{text}{took}", detail, tone, link, message.provider_id)
    yield Step(at(row.ended), words.STATES.get(row.outcome, row.outcome).capitalize(), tone=words.tone(row.outcome))


def _entry(shown: dict[str, Any], view: VerificationView) -> Entry:
    last = shown["sends"][-1] if shown["sends"] else {}
    error = (last.get("error_class") or last.get("reason") or "") if last.get("delivery") in words.BAD else ""
    channels = [words.channel(send["channel"]) for send in shown["sends"]]
    return Entry(
        shown["verification_id"], view.verification.begun.wall, shown["purpose"], shown["status"],
        _joined(channels), last.get("delivery", ""), words.meaning(error).name if error else "",
        (last.get("explanation") or words.meaning(error).remedy) if error else "",
    )


def _row_entry(row: Row, channels: Sequence[Channel]) -> Entry:
    try:
        return _readable_entry(row, channels)
    except DAMAGED:
        begun: object = row.begun
        return Entry(
            str(row.id), begun if isinstance(begun, float | int) else 0.0, str(row.subject), "damaged", "", "",
            "This row of the history is damaged", _damage(row),
        )


def _readable_entry(row: Row, channels: Sequence[Channel]) -> Entry:
    at(row.begun)  # or the page could not show it: it raises where that is no moment
    messages = messages_in(row.messages)
    told = zip(messages, _sentences(messages, channels), strict=True)
    sentence = next((said for m, said in reversed(list(told)) if said and m.error_code == row.error_code), "")
    meaning = words.meaning(row.error) if row.error else None
    return Entry(
        row.id, row.begun, row.subject, row.outcome, _joined([words.channel(m.channel) for m in messages]),
        row.delivery, meaning.name if meaning else "", (sentence or meaning.remedy) if meaning else "",
    )


def _sentences(messages: Sequence[Message], channels: Sequence[Channel]) -> Iterator[str]:
    """Yield what the error of each message means, "" where it has none."""
    for number, message in enumerate(messages, start=1):
        meaning = explain(channels, message.channel, message.error_code)
        yield meaning.told(message.channel, (after.channel for after in messages[number:])) if meaning else ""


def _joined(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _facts(ledger: Ledger | None, now: Instant, policy: Policy) -> list[tuple[str, str]]:
    if ledger is None:
        return [("Limits", "none holds: nothing is remembered about it")]
    left = sends_left(ledger, now, policy, authenticated=True)
    wait = seconds_to_next_send(ledger, now, policy, authenticated=True)
    facts = [("Messages in the last hour", str(sum(now.wall - stamp < HOUR for stamp in ledger.sent)))]
    facts += [] if left is None else [("Messages left, with an API key", str(left))]
    facts += [("Next message", f"in {ceil(wait)} s" if wait else "at once")]
    facts += [("Longer codes", "yes: many wrong codes in 30 days")] if ledger.raised else []
    return facts


def _findings(ledger: Ledger | None, entries: Sequence[Entry], now: Instant, policy: Policy) -> Iterator[Step]:
    """Yield why a number may get nothing, each with what helps."""
    if ledger and ledger.blocked:
        yield Step("", "This number is blocked", "Nothing is sent to it until it is unblocked.", "bad")
    if ledger and ledger.stopped:
        yield Step(at(ledger.stopped), "The recipient wrote STOP",
                   "Notifications are not sent until they write START. Codes are sent all the same.", "bad")
    if ledger and (wait := seconds_to_next_send(ledger, now, policy, authenticated=True)):
        help_ = f"The next message can leave in {ceil(wait)} s, or at once after a reset."
        yield Step("", "A limit of this number holds", help_, "warn")
    newest = entries[0] if entries else None
    if newest and newest.error and newest.status not in words.GOOD:
        yield Step(at(newest.begun), f"The newest message did not arrive: {newest.error.lower()}",
                   f"{newest.remedy.removesuffix('.')}.", "bad")
    if not entries:
        yield Step("", "Nothing is known of this number",
                   "No code was requested for it in the time that the history is kept, or each request was rejected "
                   "before a message was tried. The caller was told why. A notification that is still to be sent is "
                   "found by its id (NT…).")
