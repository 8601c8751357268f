"""What people write in arguments and options, and how it is read."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from otp_app.cli.command import CannotDo
from otp_app.core.errors import InvalidPhone
from otp_app.core.phone import spelling

SECONDS = {"m": 60, "h": 3600, "d": 86_400}


class Url(click.ParamType[str]):
    """A URL, given directly or, to hide its password from the process list, in a file: @FILE."""

    name = "url"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the URL."""
        if not value.startswith("@"):
            return value
        try:
            return Path(value[1:]).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            self.fail(f"the file {value[1:]} cannot be read ({type(error).__name__})", param, ctx)


class Number(click.ParamType[str]):
    """A phone number, as people write it."""

    name = "number"

    def convert(self, value: str, param: click.Parameter | None, _: click.Context | None) -> str:
        """Return the form under which it is stored. Raises CannotDo."""
        try:
            return spelling(value)
        except InvalidPhone as error:
            name = f"{param.opts[0]}: " if isinstance(param, click.Option) else ""
            raise CannotDo(f"{name}{error}") from None


class Since(click.ParamType[float]):
    """A day or moment in UTC, or how long ago it was."""

    name = "when"
    ago = re.compile(r"([1-9][0-9]{0,4})([mhd])")

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the moment, in seconds of the wall clock."""
        if not isinstance(value, str):
            return value
        if ago := self.ago.fullmatch(value):
            return time.time() - int(ago[1]) * SECONDS[ago[2]]
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail("write 30m, 24h, 7d, 2026-11-29 or 2026-11-29T08:00:00, in UTC", param, ctx)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


class NameValue(click.ParamType[tuple[str, str]]):
    """A name and its value: NAME=VALUE."""

    name = "name=value"

    def convert(
        self, value: str | tuple[str, str], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Return both."""
        if isinstance(value, tuple):
            return value
        name, separator, rest = value.partition("=")
        if not (name and separator):
            self.fail("write NAME=VALUE", param, ctx)
        return name, rest


class Days(click.ParamType[int]):
    """A number of days, in ASCII digits."""

    name = "days"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        text = str(value)
        if not (re.fullmatch("[0-9]{1,5}", text) and 1 <= int(text) <= 10_000):
            self.fail("must be a number of days from 1 to 10000, such as 30", param, ctx)
        return int(text)
