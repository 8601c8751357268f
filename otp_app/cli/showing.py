"""`verifications show`: what became of one verification, or why a number got no code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from otp_app import channels
from otp_app.cli import number_report
from otp_app.cli.command import CannotDo, Command, json_option, show_lines
from otp_app.cli.open_store import NAMING, require_records, settings_of, store_in_use
from otp_app.cli.parameters import Number
from otp_app.core import limits
from otp_app.core.ledger import Ledger, Verification
from otp_app.core.results import StatusView
from otp_app.maintenance import records
from otp_app.settings import Settings, policy
from otp_app.system.clock import system_clock
from otp_app.web.timeline import timeline

NOTHING = """\
Nothing is stored of it: no code was sent, Twilio refused the first one at once (the log has why), or the verification
ended more than an hour ago. With --number, the history is read too"""
HISTORY = {"OTP_HISTORY_URL", "OTP_INDEX_KEY", "OTP_SECRET_KEYS"}
FIRST = "Give the id of a verification, or --number +14155552671"
HANDED_ON = "sent, by a receipt"
#: what `delivery` means, in words
WORDS = {
    "pending": "being sent, or the server crashed meanwhile",
    "sent": "the provider took it; without receipts nothing more is known",
    HANDED_ON: "the provider handed it on; the phone is off, or its carrier does not report arrivals",
    "unknown": "the provider gave no clear answer",
    "refused": "the provider did not take it",
    "delivered": "it is on the phone",
    "read": "the user opened it",
    "undelivered": "it will not arrive",
    "failed": "it will not arrive",
    "canceled": "it will not arrive",
}


@click.command(cls=Command, example="verifications show --number +14155552671")
@click.argument("verification_id", metavar="ID", required=False)
@click.option("--number", type=Number(), help="a phone number instead, in international form")
@json_option("print a JSON object; for an ID, that of GET /verifications/ID")
def show(verification_id: str | None, number: str | None, as_json: bool) -> None:
    """Show what happened to a verification, or why a number got no code.

    ID is what the send returned: VE and 32 hex digits. The command shows the state, the messages, what the provider
    reported about each, and what that means. With --number, it shows all verifications in the store of OTP_STORE_URL
    and in the history, the newest first; whether the number is blocked, limited or wrote STOP; and what helps. It shows
    no codes and no whole numbers, and changes nothing. Servers may run; the whole store is read.
    """
    if (verification_id is None) == (number is None):
        raise CannotDo(FIRST)
    if verification_id and verification_id.startswith("NT"):
        raise CannotDo("This is the id of a notification: GET /notifications/ID shows what became of it")
    if number:
        _show_number(number, as_json=as_json)
        return
    settings = settings_of(NAMING)
    with store_in_use() as store:
        require_records(store)
        found = [_timeline(settings, *pair) for pair in records.find(store, lambda _, v: v.id == verification_id)]
    if not found:
        raise CannotDo(NOTHING)
    show_lines([line for each in found for line in ([json.dumps(each)] if as_json else _lines(each))])


def _show_number(number: str, *, as_json: bool) -> None:
    settings = settings_of(NAMING | HISTORY)
    with store_in_use() as store:
        require_records(store)
        ledgers = records.of_number(store, number)
        history = number_report.history_of(settings, store, number)
    pairs = {v.id: (ledger, v) for ledger in ledgers for v in (*ledger.gone, *ledger.verifications)}
    shown = [_timeline(settings, *pair) for pair in sorted(pairs.values(), key=lambda pair: -pair[1].begun.wall)]
    own = next((ledger for ledger in ledgers if not any(v.inbound for v in ledger.verifications)), None)
    found, rules = number_report.Found(own, shown, *history), policy.numbers(settings)
    known = number_report.report(settings, found, number, system_clock()(), rules, channels.explaining())
    show_lines([json.dumps(known)] if as_json else [*_report_lines(known)])
    if known["history_missing"]:
        click.echo(f"History: {known['history_missing']}", err=True)


def _report_lines(known: dict[str, Any]) -> Iterator[str]:
    yield from number_report.headlines(known)
    for shown in known["verifications"]:
        yield from _lines(shown)
    if known["history"]:
        yield "From the history:"
    for shown in known["history"]:
        yield from _lines(shown)
    yield "What helps:"
    yield from (_printable(f"  {line}.") for line in known["advice"])


def _timeline(settings: Settings, ledger: Ledger, verification: Verification) -> dict[str, Any]:
    now, rules = system_clock()(), policy.numbers(settings)
    how, has_keys = limits.policy_for(verification, rules), bool(settings.otp_api_keys)
    wait = limits.seconds_to_next_send(ledger, now, how, authenticated=has_keys)
    return timeline(StatusView(verification, ledger.phone, now, rules, wait), channels.explaining())


def _lines(shown: dict[str, Any]) -> Iterator[str]:
    to = shown["to"] or "a number that is not known yet"
    yield _printable(f"{shown['verification_id']}: {shown['status']}, for {to}, {shown['purpose']}")
    yield f"  {shown['created_at']}  begun"
    for send in shown["sends"]:
        yield from map(_printable, _message(send))
    if (inbound := shown.get("inbound")) and inbound["channel"]:
        yield _printable(f"  {shown['ended_at']}  the user wrote by {inbound['channel']}, {inbound['provider_id']}")
    if shown["ended_at"]:
        yield f"  {shown['ended_at']}  {shown['status']}"
    if "attempts_left" in shown:
        wrong, left, seconds = shown["attempts"], shown["attempts_left"], shown["expires_in"]
        yield f"  Wrong codes: {wrong}, {left} more allowed. Seconds left: {seconds}."
    elif shown["attempts"]:
        yield f"  Wrong codes: {shown['attempts']}."
    if shown.get("tags"):
        yield _printable(f"  Tags: {json.dumps(shown['tags'], ensure_ascii=False)}")


def _message(send: dict[str, Any]) -> Iterator[str]:
    state, reason = send["delivery"], f" ({send['reason']})" if send["reason"] else ""
    meaning = WORDS.get(HANDED_ON if state == "sent" and send["receipts"] else state)
    means = f": {meaning}" if meaning else ""
    provider_id = f", {send['provider_id']}" if send["provider_id"] else ""
    yield f"  {send['at']}  message by {send['channel']}{provider_id}: {state}{reason}{means}"
    if not send["receipts"]:
        yield from _error(send)
    for receipt in send["receipts"]:
        yield f"    {receipt['at']}  {receipt['status']}"
        yield from _error(receipt)


def _error(shown: dict[str, Any]) -> Iterator[str]:
    if number := shown["error_code"]:
        sentence = shown["explanation"] or "the channel does not explain this number"
        yield f"      Error {number} ({shown['error_class'] or 'unknown'}): {sentence}"


def _printable(line: str) -> str:
    """Return a line without what a terminal would take for commands: parts of it come from elsewhere."""
    return "".join(char if char.isprintable() else "?" for char in line)
