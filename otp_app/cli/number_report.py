"""What is known of a number, and what helps: the answer to "a customer got no code". It reads, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

from otp_app.cli.all_of_number import OTHER_HISTORY
from otp_app.cli.command import CannotDo
from otp_app.cli.open_store import index_key
from otp_app.core.delivery import Channel, Outcome, explain
from otp_app.core.endings import Kind
from otp_app.core.errors import OtpError, StoreUnavailable
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Status
from otp_app.core.limits import refuse_send
from otp_app.core.moving import Movable
from otp_app.core.phone import country_of, mask
from otp_app.core.policy import DAY, HOUR, Policy
from otp_app.core.receipts import ARRIVED, DEAD
from otp_app.history.opening import open_reader
from otp_app.history.rows import Row, messages_in
from otp_app.settings import Settings
from otp_app.system.program import COMMAND
from otp_app.web.timeline import at

MOST_ROWS = 20  # of the history that are shown

NO_HISTORY = "none is kept (OTP_HISTORY_URL)"
NEVER = (
    "Nobody asked for a code for this number, as far as this store and the history go back, or a limit refused the "
    "request. Compare the number with the one that your application sent, country code included; the log has a line "
    "for each refused request"
)
UNSEEN = (
    "The store has no verification of this number, as it forgets them an hour after their end, and the history was not "
    "read: {}"
)
BLOCKED = f"An operator blocked this number, so nothing is sent to it: `{COMMAND} numbers unblock +…` undoes that"
STOPPED = (
    "The user wrote STOP: no notifications are sent until they write START. Codes still are, but Twilio may refuse SMS "
    "from the sender to which they wrote (error 21610)"
)
RESET = f"`{COMMAND} numbers reset +…`"
WAIT = f"{{}}. The next message can leave in {{}} s, or at once after {RESET}"
BELIEVED = f"{{}} refused this number ({{}}) and is not asked again until {{}}, or until {RESET}"
APPROVED = "The last code was entered and accepted"
ON_THE_PHONE = "The last message is on the phone: have the user look for it, and compare the last digits of the number"
WRONG_CODES = "Too many wrong codes ended the last verification: the user has to request a new code"
UNCLEAR = (
    "Nobody knows whether the last message left. Look for it in the provider's console; if it is not there, the user "
    "can request another one"
)
TAKEN = (
    "The provider took the last message, and nothing more is known. The phone may be off, or no receipts come: "
    f"`{COMMAND} doctor` tests those. A message by another channel may help"
)
PRINTED = "The last code is in the server's terminal or log: the channel console sends nothing to a phone"
REFUSED_WITHOUT_NUMBER = f"{{}} did not take the message ({{}}): `{COMMAND} doctor` looks for the cause"


class Found(NamedTuple):
    """What store and history have of a number."""

    ledger: Ledger | None
    verifications: list[dict[str, Any]]  # timelines, the newest first
    rows: list[Row]  # of the history, the newest first
    missing: str  # why there are none


def report(
    settings: Settings, found: Found, number: str, now: Instant, policy: Policy, channels: tuple[Channel, ...]
) -> dict[str, Any]:
    """Return everything as JSON. The number is masked, and there is no code."""
    known = {shown["verification_id"] for shown in found.verifications}
    history = [_ended(row, channels) for row in found.rows if row.id not in known][:MOST_ROWS]
    state = _state(found.ledger or Ledger(number), now, policy, authenticated=bool(settings.otp_api_keys))
    return {
        "to": mask(number), "country": country_of(number) or None, **state,
        "verifications": found.verifications, "history": history, "history_missing": found.missing or None,
        "advice": list(_advice(state, [*found.verifications, *history], found.missing)),
    }


def headlines(shown: dict[str, Any]) -> Iterator[str]:
    """Yield what holds for the number now."""
    yield f"{shown['to']} ({shown['country'] or 'no country'})"
    hour, day = shown["messages"]["hour"], shown["messages"]["day"]
    yield f"  Messages with codes: {hour} in the last hour, {day} in the last day"
    if shown["blocked"]:
        yield "  Blocked by an operator"
    if shown["stopped_at"]:
        yield f"  STOP since {shown['stopped_at']}"
    if limit := shown["limit"]:
        yield f"  Limit reached: {limit['error_type']}, {limit['retry_after']} s"
    for refusal in shown["refusals"]:
        yield f"  Refused by {refusal['channel']} at {refusal['at']} ({refusal['reason']})"


def history_of(settings: Settings, store: Movable, number: str) -> tuple[list[Row], str]:
    """Return the rows of a number, or why there are none to be had: the rest is worth showing without them."""
    try:
        reader = open_reader(settings, index_key(settings, store))
        if reader is None:
            return [], NO_HISTORY
        with closing(reader):
            return ([], OTHER_HISTORY) if reader.is_of_other_key() else (reader.of_number(number), "")
    except CannotDo as error:
        return [], error.message
    except (ValueError, StoreUnavailable) as error:
        return [], str(error)


def _ended(row: Row, channels: Iterable[Channel]) -> dict[str, Any]:
    """Return a row in the form of a timeline."""
    channels, messages = tuple(channels), messages_in(row.messages)
    return {
        "verification_id": row.id, "kind": row.kind, "status": row.outcome, "to": row.shown, "purpose": row.subject,
        "created_at": at(row.begun), "ended_at": at(row.ended), "attempts": row.attempts,
        "sends": [
            {
                "id": message.id, "channel": message.channel, "at": at(message.at), "delivery": message.delivery,
                "reason": None, "provider_id": message.provider_id or None, "receipts": [],
                "error_code": message.error_code or None,
                "error_class": meaning.error_class if meaning else None,
                "explanation": meaning.told(message.channel, (m.channel for m in messages[n:])) if meaning else None,
            }
            for n, message in enumerate(messages, start=1)
            for meaning in [explain(channels, message.channel, message.error_code)]
        ],
    }  # fmt: skip


def _state(ledger: Ledger, now: Instant, policy: Policy, *, authenticated: bool) -> dict[str, Any]:
    limit = None
    try:
        refuse_send(ledger, now, policy, authenticated=authenticated)
    except OtpError as error:
        if error.retry_after:
            limit = {"error_type": error.code, "message": str(error), "retry_after": max(round(error.retry_after), 1)}
    return {
        "blocked": ledger.blocked,
        "stopped_at": at(ledger.stopped) if ledger.stopped else None,
        "limit": limit,
        "refusals": [
            {"channel": channel, "reason": reason, "at": at(when), "until": at(when + policy.refusal_memory)}
            for channel, when, reason in ledger.refusals
            if now.wall - when < policy.refusal_memory
        ],
        "messages": {
            name: sum(now.wall - sent < span for sent in ledger.sent) for name, span in (("hour", HOUR), ("day", DAY))
        },
    }


def _advice(state: dict[str, Any], known: list[dict[str, Any]], missing: str) -> Iterator[str]:
    """Yield what helps, the first thing first."""
    if state["blocked"]:
        yield BLOCKED
    codes = [shown for shown in known if shown.get("kind", Kind.VERIFICATION) == Kind.VERIFICATION]
    newest = max(codes, key=lambda shown: shown["created_at"], default=None)
    if newest:
        yield from _of_newest(newest)
    else:
        yield UNSEEN.format(missing) if missing else NEVER
    if state["stopped_at"]:
        yield STOPPED
    for refusal in state["refusals"]:
        yield BELIEVED.format(refusal["channel"], refusal["reason"], refusal["until"])
    if limit := state["limit"]:
        yield WAIT.format(limit["message"], limit["retry_after"])


def _of_newest(shown: dict[str, Any]) -> Iterator[str]:
    if shown["status"] == Status.APPROVED:
        yield APPROVED
        return
    if shown["status"] == Status.MAX_ATTEMPTS_REACHED:
        yield WRONG_CODES
    for send in shown["sends"]:
        if send["delivery"] in (*DEAD, Outcome.REFUSED):
            yield _failure(send)
    last = shown["sends"][-1]["delivery"] if shown["sends"] else ""
    if last in (Outcome.SENT, *ARRIVED) and shown["sends"][-1]["channel"] == "console":
        yield PRINTED
    elif last in ARRIVED:
        yield ON_THE_PHONE
    elif last in (Outcome.UNKNOWN, "pending"):
        yield UNCLEAR
    elif last and last not in (*DEAD, Outcome.REFUSED):
        yield TAKEN


def _failure(send: dict[str, Any]) -> str:
    if send["error_code"]:
        sentence = send["explanation"] or "the channel does not explain this number"
        return f"{send['channel']}, error {send['error_code']}: {sentence}"
    return REFUSED_WITHOUT_NUMBER.format(send["channel"], send["reason"] or send["delivery"])
