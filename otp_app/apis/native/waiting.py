"""How long a request waits for news, and for whom."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from flask import request

from otp_app.apis.native.state import Native
from otp_app.web.body import BadRequest
from otp_app.web.current import state
from otp_app.web.polling import client_is_gone

WAIT = re.compile(r"[1-9]|1[0-9]|20")


def seen(look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what `look` shows: at once or, if the request says `wait`, once its version is not the one known.

    Known is the `version` in the request, or else the first. Raises BadRequest, TooManyPolls, what `look` raises.
    """
    if not (seconds := _seconds()):
        return look()
    known = request.args.to_dict()
    return state(Native).polls.hold(
        look,
        lambda shown: shown["version"] != known.setdefault("version", shown["version"]),
        seconds,
        partial(client_is_gone, request.environ),
    )


def _seconds() -> int:
    """Return the seconds to wait, 0 for an answer at once. Raises BadRequest."""
    said = request.args.getlist("wait")
    if not said:
        return 0
    if len(said) > 1 or not WAIT.fullmatch(said[0]):
        raise BadRequest("wait must be a whole number of seconds from 1 to 20")
    return int(said[0])
