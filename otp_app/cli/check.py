"""`check`: whether the server would start."""

from __future__ import annotations

import click

from otp_app.cli.command import FAILED, CannotDo, Command, json_option, say
from otp_app.core.errors import OtpError
from otp_app.startup import BadSettings, advice, load, look, unreachable
from otp_app.startup.doctor import unfinished


@click.command(cls=Command, example="check")
@json_option()
def check(as_json: bool) -> int:
    """Check whether the server would start with these settings.

    All faults are listed at once, placeholders that were not replaced among them. No record is changed, and no value is
    repeated.
    """
    faults, lines = _found()
    if faults and not as_json:
        raise CannotDo("\n".join(faults))
    result = {"in_order": not faults, "faults": faults, "advice": lines}
    say(as_json, result, *lines, "The settings are in order.")
    return FAILED if faults else 0


def _found() -> tuple[list[str], list[str]]:
    """Return the faults and the advice, a line each."""
    try:
        settings = load()
        lines, faults = look(settings), unfinished(settings)
    except BadSettings as error:
        return list(error.faults), []
    except OtpError as error:
        return [f"OTP_STORE_URL: {error}"], []
    return faults + unreachable(settings), advice(settings) + lines
