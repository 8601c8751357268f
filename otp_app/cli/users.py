"""`users`: look into a directory of users before a server does."""

from __future__ import annotations

from contextlib import closing

import click

from otp_app.apis import directories
from otp_app.cli.command import CannotDo, Family, json_option, say
from otp_app.cli.parameters import Url
from otp_app.core.errors import OtpError
from otp_app.plugins.loading import load_object
from otp_app.wiring import Counted, Pingable


@click.group(cls=Family)
def users() -> None:
    """Check a directory of users."""


@users.command(example="users check users.csv")
@click.argument("directory", metavar="FILE", type=Url())
@json_option()
def check(directory: str, as_json: bool) -> None:
    """Check a directory of users and count them.

    FILE is a path, or a URL as in OTP_DIRECTORY_URL; @FILE reads the URL from a file. The command names the row of the
    first fault, but shows nothing of its contents. Nothing is changed.
    """
    try:
        with closing(load_object(directories()[0], "command")(directory)) as opened:
            count = opened.count() if isinstance(opened, Counted) else None
            if count is None and isinstance(opened, Pingable):
                opened.ping()
    except (ValueError, OtpError) as error:
        raise CannotDo(str(error)) from None
    unknown = "It can be read, and does not say how many users it has."
    say(as_json, {"users": count}, unknown if count is None else f"Users: {count}.")
