"""`check`: whether the server would start."""

from __future__ import annotations

import click

from otp_app.cli.command import CannotDo, Command
from otp_app.core.errors import OtpError
from otp_app.startup import BadSettings, advice, load, look, unreachable
from otp_app.startup.doctor import unfinished


@click.command(cls=Command, example="check")
def check() -> None:
    """Check whether the server would start with these settings.

    All faults are listed at once. Nothing is changed, and no value is repeated.
    """
    try:
        settings = load()
        lines = look(settings) + unfinished(settings)
    except BadSettings as error:
        raise CannotDo("\n".join(error.faults)) from None
    except OtpError as error:
        raise CannotDo(f"OTP_STORE_URL: {error}") from None
    if faults := unreachable(settings):
        raise CannotDo("\n".join(faults))
    print(*advice(settings), *lines, "The settings are in order.", sep="\n")
