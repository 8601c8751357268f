"""Renders the pages, in the layout of all pages for people."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from otp_app.apis.operator import words
from otp_app.history.reading import Sums
from otp_app.system.program import COMMAND
from otp_app.version import __version__
from otp_app.web.pages import SHARED, Files, answer

PATH = "/operator"
HERE = Path(__file__).parent
SHARED_TEMPLATES = HERE.parents[1] / "web" / "templates"
NONE = "\N{EN DASH}"  # stands where there is no figure


class Pages:
    """The templates, and the files that they load beside those of all pages. A name that is missing is an error."""

    def __init__(self) -> None:
        self._jinja = Environment(
            autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, auto_reload=False,
            loader=FileSystemLoader([HERE / "templates", SHARED_TEMPLATES]),
        )  # fmt: skip
        self._jinja.filters |= {
            "count": count, "share": share, "seconds": seconds, "moment": moment, "conversion": conversion,
            "tone": words.tone, "state": state,
        }  # fmt: skip
        self.files = Files(HERE / "static", f"{PATH}/static")
        self._jinja.globals |= {"version": __version__, "command": COMMAND, "shared": SHARED.url, "own": self.files.url}

    def render(self, name: str, http_status: int = 200, **values: Any) -> Response:
        """Return a page of the template with this name."""
        return answer(self._jinja.get_template(f"{name}.html").render(values), http_status)


def count(value: float) -> str:
    """Return a whole number as people read it."""
    return f"{value:,.0f}"


def share(part: float, whole: float) -> str:
    """Return a part of a whole as a percentage."""
    return f"{100 * part / whole:.1f}%" if whole else NONE


def conversion(sums: Sums) -> str:
    """Return the share of those sent that were approved."""
    return share(sums.approved, sums.sent)


def seconds(value: float | None) -> str:
    """Return a time."""
    if value is None:
        return NONE
    return f"{value:.1f} s" if value < 100 else f"{value / 60:.0f} min"


def moment(wall: float) -> str:
    """Return a time of day with its date, in UTC; a damaged row of the history may have none."""
    try:
        return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%d %H:%M")
    except (TypeError, ValueError, OverflowError, OSError):
        return NONE


def state(status: str) -> str:
    """Return a status in one or two words, as it stands in a table."""
    return {"max_attempts_reached": "wrong codes"}.get(status, status.replace("_", " "))
