"""Accounts: the Basic credentials that Twilio's clients show, and whose Verify services they may use."""

from __future__ import annotations

import hmac
import re

from flask import Request

from otp_app.apis.verify_v2.settings import VerifySettings
from otp_app.core.codes import SID_DIGITS
from otp_app.settings import Settings
from otp_app.settings.exposure import is_open
from otp_app.web import client
from otp_app.web.access import Credentials
from otp_app.web.client import Caller, Forbidden, Unauthorized, digest_of
from otp_app.web.guard import count_wrong_key

_USER = re.compile(f"(AC|SK){SID_DIGITS}")


def account_holder(asked: Request, settings: Settings) -> Caller:
    """Return the account that Basic credentials name. Raises Unauthorized, Forbidden, TooManyWrongKeys.

    While no accounts are configured, which is on this machine only, any credentials will do, but some must be shown.

    A page in a browser can post a form to this machine without asking, and to http://AC…:secret@127.0.0.1 even with
    credentials. But then the browser says from where it comes, which no client of Twilio's does.
    """
    if "Origin" in asked.headers:
        raise Forbidden("A page in a browser may not do that")
    address = client.address(asked.environ, settings.otp_trusted_proxies)
    try:
        # Werkzeug would read the parts of other schemes too, and a long Digest header takes it milliseconds.
        shown = asked.authorization if asked.headers.get("Authorization", "")[:6].lower() == "basic " else None
    except ValueError:  # from Werkzeug, where they are not ASCII
        shown = None
    user, secret = (shown.username or "", shown.password or "") if shown and shown.type == "basic" else ("", "")
    if not _USER.fullmatch(user) or not secret:
        raise Unauthorized("Authenticate")
    if not settings.of(VerifySettings).otp_verify_accounts and not is_open(settings):
        return Caller("", address, account=user if user.startswith("AC") else f"AC{'0' * 32}")
    known = next((a for a in settings.of(VerifySettings).otp_verify_accounts if a.user == user), None)
    if hmac.compare_digest(known.digest if known else "", digest_of(secret)) and known:
        return Caller(known.user, address, frozenset(("send", "verify")), known.account)
    count_wrong_key(address)
    raise Unauthorized("Authenticate")


def _curl(settings: Settings) -> str:
    """Return curl's option; while no accounts are configured, which is on this machine only, any will do."""
    any_account = f"-u AC{'0' * 32}:any"
    return '-u "$OTP_ACCOUNT_SID:$OTP_ACCOUNT_TOKEN"' if settings.of(VerifySettings).has_callers else any_account


ACCOUNT = Credentials("basic", account_holder, _curl, pages=False)
