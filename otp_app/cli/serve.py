"""`serve`: the HTTP server."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from otp_app.cli.command import Command

PACKAGE = Path(__file__).parents[1]


@click.command(cls=Command, example="serve", context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[GUNICORN'S OPTIONS]")
def serve(options: tuple[str, ...]) -> NoReturn:
    """Serve the HTTP APIs.

    The settings come from the environment and from `.env` in the current folder. The server runs until Ctrl-C or
    SIGTERM; SIGHUP reloads the settings. The server is gunicorn and accepts its options, such as `--threads 8`.
    """
    # -P: not what lies in this folder instead of the package and Python's own modules, unless the package lies there
    where = [] if PACKAGE.parent.samefile(".") else ["-P"]
    os.execv(sys.executable, [sys.executable, *where, "-m", "otp_app.serving", *options])  # noqa: S606 - no shell
