"""The RPCs: each is a view like any other, so guard and limits come first, and connectrpc reads and answers it.

There is no GET, which Connect knows for RPCs without effects: it would put numbers into addresses and logs.
"""

from __future__ import annotations

import re
from io import BytesIO
from typing import cast

from flask import Blueprint, Response, g, request

from otp_app.apis.connect.sessions import SESSION
from otp_app.apis.connect.state import Connect
from otp_app.web.access import requires
from otp_app.web.body import BLANKS, CHARSET, BadRequest, content, parse, text_of
from otp_app.web.current import state

sends = Blueprint("connect_send", __name__)
checks = Blueprint("connect_check", __name__)
others = Blueprint("connect", __name__)

MEDIA = re.compile(rf"application/proto|(?P<json>application/json{BLANKS}{CHARSET})", re.IGNORECASE)


@sends.post("/auth.AuthService/SignupWithPhoneNumber")
@requires("send")
def sign_up() -> Response:
    """Send a code to a number that belongs to no user. Its answer tells whether it does."""
    return answer()


@checks.post("/auth.AuthService/VerifyPhoneNumber")
@requires("verify", public=True)
def verify() -> Response:
    """Check the code of a sign-up."""
    return answer()


@sends.post("/auth.AuthService/LoginWithPhoneNumber")
@requires("send", public=True)
def log_in() -> Response:
    """Send a code, or check it. Either is counted as a send; the check needs the scope of one too."""
    return answer()


@checks.post("/auth.AuthService/ValidatePhoneNumberLogin")
@requires("verify")
def validate() -> Response:
    """Say whether a number can log in."""
    return answer()


@sends.post("/otp.OtpService/GenerateOtp")
@requires("send", public=True)
def generate() -> Response:
    """Send a code that logs in."""
    return answer()


@sends.post("/auth.AuthService/ChangePhoneNumber")
@requires("send", credentials=SESSION)
def change_number() -> Response:
    """Send a code to a new number, or check it."""
    return answer()


@sends.post("/auth.AuthService/DeleteAccount")
@requires("send", credentials=SESSION)
def delete_account() -> Response:
    """Send a code that deletes the user, or check it."""
    return answer()


@others.post("/auth.AuthService/GetProfile")
@requires("verify", credentials=SESSION)
def get_profile() -> Response:
    """Return the user."""
    return answer()


@others.post("/auth.AuthService/UpdateProfile")
@requires("verify", credentials=SESSION)
def update_profile() -> Response:
    """Change the name or the email."""
    return answer()


@others.post("/auth.AuthService/Logout")
@requires("verify", credentials=SESSION)
def log_out() -> Response:
    """End the session."""
    return answer()


@others.post("/auth.AuthService/ListSessions")
@requires("verify", credentials=SESSION)
def list_sessions() -> Response:
    """Return the user's sessions."""
    return answer()


@others.post("/auth.AuthService/RevokeSession")
@requires("verify", credentials=SESSION)
def revoke_session() -> Response:
    """End a session of the user."""
    return answer()


@others.post("/auth.AuthService/ListActivity")
@requires("verify", credentials=SESSION)
def list_activity() -> Response:
    """Return what the user did."""
    return answer()


def answer() -> Response:
    """Let connectrpc read the body, call the service and write the answer. An error of the service is raised again."""
    body = content(MEDIA, "application/json or application/proto", may_be_gzip=True)  # Connect's clients pack it
    if "json" in request.environ["CONTENT_TYPE"].lower():
        _strict(body)
    service = state(Connect).services[request.path.rpartition("/")[0]]
    own = {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body)), "HTTP_CONTENT_ENCODING": "identity"}
    environ = request.environ | own
    found = Response.from_app(service, environ)
    if fault := g.pop("rpc_fault", None):
        raise fault
    if found.status_code != 200:  # its own texts repeat what was sent
        raise BadRequest("The body is no message of this RPC, or a header of Connect is wrong")
    return cast("Response", found)


def _strict(body: bytes) -> None:
    """Raise BadRequest where the JSON is not strict, or has a field in both spellings."""
    said = parse(text_of(body))
    if isinstance(said, dict) and len({name.replace("_", "").lower() for name in said}) < len(said):
        raise BadRequest("The body has a field twice")
