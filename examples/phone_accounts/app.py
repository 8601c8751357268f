"""A shop's accounts over otp_app: users register and log in with a verified phone."""

from __future__ import annotations

import os
from typing import Any

import accounts
from flask import Blueprint, Flask, Response, jsonify, session
from werkzeug.security import generate_password_hash

import otp_app
from otp_app.apis.phone.state import Phone
from otp_app.web.access import requires
from otp_app.web.body import document
from otp_app.web.current import state

shop = Blueprint("shop", __name__)


def create_app(**parts: Any) -> Flask:
    """Return otp_app's application with the shop's views beside its own."""
    app = otp_app.create_app(**parts)
    app.secret_key = os.environ["SHOP_SECRET_KEY"]
    app.config.update(SESSION_COOKIE_SAMESITE="Lax", SESSION_COOKIE_SECURE=True)
    app.register_blueprint(shop)
    return app


class Refused(Exception):
    """The shop rejects a request; `faults` has the reasons by field."""

    def __init__(self, text: str, *fields: str) -> None:
        super().__init__(text)
        self.faults = {field: [text] for field in fields or ("non_field_errors",)}


@shop.errorhandler(Refused)
def refused(error: Refused) -> tuple[Response, int]:
    """Answer in the form of /api/phone/verify."""
    return jsonify(error.faults), 400


@shop.post("/api/phone/verify_and_register")
@requires("verify", public=True)
def verify_and_register() -> Response:
    """Create a user for a phone, if the code is right."""
    fields = read("username", "email", "password", "phone_number", "security_code", "session_token")
    if "@" not in fields["email"]:
        raise Refused("Enter a valid email address.", "email")
    if len(fields["password"]) < 10:
        raise Refused("Ensure this field has at least 10 characters.", "password")
    if accounts.is_taken(fields["username"]):
        raise Refused("A user with that username already exists.", "username")
    phone = verified_phone(fields)  # last, because it uses up the code
    password = generate_password_hash(fields["password"])
    if not accounts.register(phone, fields["username"], fields["email"], password):
        raise Refused("A user with this phone number or username already exists.")
    return jsonify({"username": fields["username"], "email": fields["email"]})


@shop.post("/api/phone/login")
@requires("verify", public=True)
def login() -> Response:
    """Log in the user of a phone, if the code is right."""
    phone = verified_phone(read("phone_number", "security_code", "session_token"))
    user = accounts.with_phone(phone)
    if user is None:
        raise Refused("There is no user with this phone number.")
    session.clear()
    session["user"] = user["id"]
    return jsonify({"status": "200"})


@shop.get("/me")
@requires(None)
def me() -> Response | tuple[Response, int]:
    """Return the user of the session cookie."""
    user = accounts.with_id(session["user"]) if "user" in session else None
    if user is None:
        return jsonify({"detail": "Not logged in."}), 401
    return jsonify({"username": user["username"]})


def read(*names: str) -> dict[str, str]:
    """Return these fields of the request's JSON, each a string that is not blank. Raises Refused."""
    said = document()
    fields = said if isinstance(said, dict) else {}
    missing = [name for name in names if not isinstance(fields.get(name), str) or not fields[name].strip()]
    if missing:
        raise Refused("This field is required.", *missing)
    return {name: fields[name].strip() for name in names}


def verified_phone(fields: dict[str, str]) -> str:
    """Return the number, in E.164, that got this code, if the code and its token are right. Raises Refused."""
    named = state(Phone).sessions.read(fields["session_token"])
    if named:
        _, verification_id = named
        verdict = state(Phone).verifications.check(
            fields["security_code"], phone_number=fields["phone_number"], verification_id=verification_id
        )
        if verdict.approval:
            return verdict.approval.phone
    raise Refused("Security code is not valid")
