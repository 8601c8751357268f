"""What happens to a notification: the next message, its outcome, its receipts. Pure functions of the record.

A message is in the record before it leaves. One whose outcome was never noted is not sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

from msgspec.structs import replace

from otp_app.core.delivery import Delivery, Outcome, Reason
from otp_app.core.follow_transitions import is_awaited
from otp_app.core.instant import Instant
from otp_app.core.ledger import LONGEST_PROVIDER_ID, Send
from otp_app.core.notification import LIFE, Notification, Status
from otp_app.core.policy import HOUR
from otp_app.core.receipts import ARRIVED, DEAD, GIVEN_UP, Receipt, is_of, reported

RETRIED_FOR = HOUR
PAUSES = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0)  # seconds before each further attempt; the last one repeats
SOON = 0.5  # seconds until a message is looked at again whose provider has not answered yet
#: Refusals that pass by themselves: another channel would be no better, or cost more, for what lasts a minute.
PASSING = {Reason.THROTTLED, Reason.AUTH, Reason.UNREACHABLE}


class Following(NamedTuple):
    """When another channel follows a message that was sent."""

    receipts: bool = False  # whether anybody reports what became of messages
    after: float = 0.0  # seconds of silence, 0 for never
    reporting: frozenset[str] = frozenset()  # channels whose provider reports what arrived


class Step(NamedTuple):
    """What is to be done now, once the record is stored (None: it is as it was)."""

    record: Notification | None
    send: Send | None = None  # to be handed to its channel
    wait: float | None = None  # seconds until the next step; None without a send: there is none


def next_step(
    record: Notification,
    now: Instant,
    rules: Following,
    *,
    send_id: str,
    able: Collection[str],
    stopped: bool,
    helps: Callable[[Send], bool],
) -> Step:
    """Return what comes next. `able`: the channels that can send it; `stopped`: its recipient wants none;
    `helps`: whether another channel can reach the recipient of a message that was given up.
    """  # fmt: skip
    if record.ended_at is not None:
        return Step(None)
    last = record.sends[-1] if record.sends else None
    wait = _seconds_to_wait(record, now, rules, last)
    if wait:
        state = Outcome.UNKNOWN if last and last.state == "pending" and not is_awaited(now, last) else ""
        return Step(record.with_send(replace(last, state=state)) if last and state else None, wait=wait)
    if last and not _is_open(record, now, rules, last):
        lost = last.state == "pending"
        return Step((record.with_send(replace(last, state=Outcome.UNKNOWN)) if lost else record).ended(now))
    if stopped:
        return Step(record.ended(now, Status.STOPPED))
    route = [channel for channel in record.route if channel in able]
    if not route or (last and _is_given_up(last) and not helps(last)):
        return Step(record.ended(now, "" if last else "no_channel"))
    if now.wall - record.at >= LIFE:
        return Step(record.ended(now, "expired"))
    send = Send(send_id, route[0], round(now.wall, 3))
    retries = record.retries if last and last.channel == send.channel else 0
    return Step(replace(record.with_send(send), route=tuple(route[1:]), retries=retries, due=0.0), send)


def settle(record: Notification, now: Instant, rules: Following, send_id: str, delivery: Delivery) -> Notification:
    """Note the outcome of a message, and whether its channel is tried again."""
    send = record.send(send_id)
    if send is None or send.state not in ("pending", Outcome.UNKNOWN):
        return record  # a receipt was faster
    provider_id = send.provider_id or delivery.provider_id[:LONGEST_PROVIDER_ID]
    send = replace(
        send, state=delivery.outcome, provider_id=provider_id, reason=delivery.reason or "",
        error=delivery.provider_code or 0,
    )
    record = record.with_send(send)
    if record.ended_at is not None or record.sends[-1].id != send_id:
        return record
    if delivery.outcome != Outcome.REFUSED:
        return record if record.route and rules.receipts else record.ended(now)
    if delivery.reason == Reason.OPTED_OUT:
        return record.ended(now, Status.STOPPED)
    if delivery.reason in PASSING:
        return _retried(record, now, send, delivery.retry_after or 0.0)
    return replace(record, retries=0) if record.route else record.ended(now)


def receive(record: Notification, now: Instant, receipt: Receipt) -> Notification | None:
    """Note a receipt; None where it says nothing new, or is of no known message."""
    send = record.send(receipt.send_id)
    changed = reported(send, now, receipt) if send and is_of(receipt, send) else None
    if changed is None:
        return None
    record = record.with_send(changed)
    return record.ended(now) if receipt.status in ARRIVED and record.ended_at is None else record


def without_template(record: Notification, now: Instant, pause: float) -> Step:
    """Return what comes next where this server does not know the template: another one may."""
    if record.ended_at is not None:
        return Step(None)
    return Step(None, wait=pause) if now.wall - record.at < RETRIED_FOR else Step(record.ended(now, "no_template"))


def _seconds_to_wait(record: Notification, now: Instant, rules: Following, last: Send | None) -> float:
    """Return the seconds in which nothing is to be done but what a receipt asks for."""
    if last is None:
        return 0.0
    if is_awaited(now, last):
        return SOON
    if last.state == Outcome.REFUSED:
        return max(record.due - now.wall, 0.0)
    if _is_given_up(last) or not _is_open(record, now, rules, last):
        return 0.0
    left = record.at + LIFE - now.wall
    if last.state == Outcome.SENT and rules.after and last.channel in rules.reporting:
        return min(max(last.at + rules.after - now.wall, 0.0), left)
    return left


def _is_open(record: Notification, now: Instant, rules: Following, last: Send) -> bool:
    """Return whether a message may follow this one."""
    if last.state == Outcome.REFUSED:
        return bool(record.route)
    over = {report.status for report in last.receipts} & (ARRIVED | (DEAD - GIVEN_UP))
    return bool(record.route) and rules.receipts and not over and now.wall - record.at < LIFE


def _is_given_up(send: Send) -> bool:
    return bool(send.receipts) and send.receipts[-1].status in GIVEN_UP


def _retried(record: Notification, now: Instant, send: Send, at_least: float) -> Notification:
    pause = max(PAUSES[min(record.retries, len(PAUSES) - 1)], at_least)
    if now.wall + pause - record.at > RETRIED_FOR:
        return record.ended(now)
    again = (send.channel, *record.route)
    return replace(record, route=again, retries=record.retries + 1, due=round(now.wall + pause, 3))
