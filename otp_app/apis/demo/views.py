"""GET /demo, and what its forms do where the browser runs no scripts: each answer is the next step."""

from __future__ import annotations

import math
import re
from typing import Any

from flask import Blueprint, Response, g, request

from otp_app.apis.demo import words
from otp_app.apis.demo.state import Demo
from otp_app.core.results import SendRequest
from otp_app.web import errors, form
from otp_app.web.access import requires
from otp_app.web.body import BadRequest
from otp_app.web.client import Forbidden
from otp_app.web.current import caller, origin, services, state
from otp_app.web.pages import page
from otp_app.web.rejections import Rejection
from otp_app.web.timeline import timeline

sends = Blueprint("demo_send", __name__)
checks = Blueprint("demo_check", __name__)
pages = Blueprint("demo", __name__, template_folder="templates")


@pages.get("/demo")
@requires("verify", public=True, page=True)
def demo() -> Response:
    """The page at its first step."""
    return _page("number")


@sends.post("/demo/send")
@requires("send", public=True, page=True)
def send() -> Response:
    """Send a code to `phone_number`, or again for `verification_id`."""
    said = _fields()
    ask = SendRequest(channel=said.get("channel") or None, authenticated=caller().authenticated, origin=origin("demo"))
    if verification_id := said.get("verification_id"):
        sent = services().verifications.resend(verification_id, ask)
    elif number := said.get("phone_number"):
        sent = services().verifications.send(number, ask)
    else:
        raise BadRequest("phone_number is missing")
    told = words.SENT.format(to=sent.to, channel=words.channel(sent.channel))
    return _code(
        sent.verification_id, words.TERMINAL if sent.channel == "console" else told, wait=math.ceil(sent.resend_in)
    )


@checks.post("/demo/check")
@requires("verify", public=True, page=True)
def check() -> Response:
    """Check `otp`."""
    said = _fields()
    otp, verification_id = said.get("otp"), said.get("verification_id")
    if not otp or not verification_id:
        raise BadRequest("otp or verification_id is missing")
    verdict = services().verifications.check(_code_in(otp), verification_id=verification_id)
    if verdict.approved:
        return _page("done", told=words.APPROVED, kind="good")
    return _code(verification_id, words.WRONG, kind="bad", status=400)


@pages.post("/demo/status")
@requires("verify", page=True)
def status() -> Response:
    """Look again what became of the message."""
    verification_id = _fields().get("verification_id")
    if not verification_id:
        raise BadRequest("verification_id is missing")
    return _code(verification_id, "")


def _code_in(text: str) -> str:
    """Return the code of a message that was pasted whole; a text that has none, or several, as it is."""
    runs = re.findall(r"[0-9]++", text)
    codes = [run for run in runs if len(run) == state(Demo).digits]
    return codes[0] if len(codes) == 1 else text


def rejected(rejection: Rejection) -> Response:
    """The step that could not be done, as it was filled in, with the reason; nothing to those who may not do it."""
    if rejection.error_type == "unauthorized":
        return page("demo-shut.html", 401, demo=state(Demo))
    if rejection.error_type == "forbidden":
        return errors.render(rejection)
    said = g.get("demo", {})
    told = words.error(rejection.error_type, rejection.text, rejection.retry_after)
    step = "code" if said.get("verification_id") and rejection.error_type != "not_found" else "number"
    return _page(step, status=rejection.status, told=told, kind="bad", said=said)


def _fields() -> dict[str, str]:
    """Return the fields of the form. Raises Forbidden where another site has sent it, and as form.fields does."""
    if form.from_another_site(request.environ):
        raise Forbidden("This form was sent by another site")
    g.demo = form.fields()
    return dict(g.demo)


def _code(verification_id: str, told: str, *, kind: str = "", status: int = 200, wait: int = 0) -> Response:
    """Return the step at which the code is typed, or what came after it meanwhile."""
    messages: list[dict[str, Any]] = []
    if state(Demo).watched:
        shown = timeline(services().verifications.status(verification_id), services().channels)
        messages = shown["sends"]
        if shown["status"] == "approved" and status == 200:  # a wrong code is wrong after a right one too
            return _page("done", told=words.APPROVED, kind="good", messages=messages)
        told = told or (words.ENDED if shown["status"] != "pending" else _followed(messages))
    said = {"verification_id": verification_id}
    return _page("code", status=status, told=told, kind=kind, said=said, messages=messages, wait=wait)


def _followed(messages: list[dict[str, Any]]) -> str:
    """Return what to say of the last message, if it came in the place of one that was lost."""
    if len(messages) < 2 or words.KINDS.get(messages[-2]["delivery"]) != "bad":
        return ""
    before, last = (words.channel(message["channel"]) for message in messages[-2:])
    return words.FOLLOWED.format(before=before, channel=last)


def _page(step: str, status: int = 200, **values: Any) -> Response:
    values = {"told": "", "kind": "", "said": {}, "messages": (), "wait": 0} | values
    return page("demo.html", status, step=step, faulty=status == 400, demo=state(Demo), words=words, **values)
