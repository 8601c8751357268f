"""What people write in arguments and options, and how it is read."""

from __future__ import annotations

from pathlib import Path

import click


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
        if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 10_000):
            self.fail("must be a number of days from 1 to 10000, such as 30", param, ctx)
        return int(text)
