"""`doctor`: whether messages would go out, and receipts come in."""

from __future__ import annotations

import json
import sys
from collections import Counter

import click

from otp_app.cli.command import FAILED, Command, json_option, show_lines
from otp_app.settings.diagnosis import Diagnosis, State
from otp_app.startup.doctor import examine

MARKS = {State.OK: "ok", State.ADVICE: "advice", State.FAULT: "FAULT", State.NOT_CHECKED: "not checked"}
WIDTH = max(map(len, MARKS.values()))


@click.command(cls=Command, example="doctor")
@json_option("print one JSON object a line")
def doctor(as_json: bool) -> int:
    """Find what keeps messages and receipts from arriving.

    It runs `check`, asks Twilio about the account, the senders and the template, and posts a test receipt to
    OTP_PUBLIC_URL. It sends no message and changes nothing. Each line is one finding, and the line below it says how to
    fix it. The exit status is 1 if there is a fault.
    """
    counts: Counter[State] = Counter()
    for found in examine():
        counts[found.state] += 1
        show_lines([json.dumps(found._asdict())] if as_json else _lines(found))
    sums = (("Faults", State.FAULT), ("Advice", State.ADVICE), ("Not checked", State.NOT_CHECKED))
    print(*(f"{name}: {counts[state]}." for name, state in sums), file=sys.stderr)
    return FAILED if counts[State.FAULT] else 0


def _lines(found: Diagnosis) -> list[str]:
    first = f"{MARKS[found.state]:{WIDTH}}  {found.about}: {found.why}"
    return [first, f"{'':{WIDTH}}  {found.remedy}"] if found.remedy else [first]
