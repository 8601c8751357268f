"""`check`: whether the server would start."""

from __future__ import annotations

from pathlib import Path

import click

from otp_app.cli.command import CannotDo, Command
from otp_app.core.errors import OtpError
from otp_app.settings import Settings
from otp_app.settings.model import fields_of
from otp_app.startup import BadSettings, advice, load, look, unreachable


@click.command(cls=Command, example="check")
def check() -> None:
    """Check whether the server would start with these settings.

    All faults are listed at once. Nothing is changed, and no value is repeated.
    """
    try:
        settings = load()
        lines = look(settings) + _placeholders(settings)
    except BadSettings as error:
        raise CannotDo("\n".join(error.faults)) from None
    except OtpError as error:
        raise CannotDo(f"OTP_STORE_URL: {error}") from None
    if faults := unreachable(settings):
        raise CannotDo("\n".join(faults))
    print(*advice(settings), *lines, "The settings are in order.", sep="\n")


def _placeholders(settings: Settings) -> list[str]:
    """Return a line for each placeholder that was not replaced, and for a `.env` that other users can read."""
    env = Path(".env")
    is_shared = env.exists() and env.stat().st_mode & 0o077
    lines = [f"{env}: other users can read this file. Run: chmod 600 {env}"] if is_shared else []
    given = ((found, getattr(model, found.name)) for model in settings.providers for found in fields_of(type(model)))
    zeros = [found.variable for found, value in given if str(value).endswith("0" * 32)]
    return lines + [f"{name}: this is a placeholder. Copy the value from your provider's console" for name in zeros]
