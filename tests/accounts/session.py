"""A user of a server in this process, without a message to the phone."""

from __future__ import annotations

from otp_app.accounts import statements as sql
from otp_app.apis.connect.state import Connect
from tests.web.site import Site

NUMBER = "+14155550199"


def session_token(site: Site, number: str = NUMBER) -> str:
    """Return the token of a new session of the user of a number, who is made if need be."""
    accounts = site.app.extensions["otp_states"][Connect].accounts
    if not accounts.is_registered(number):
        accounts._keep_unverified(number, "", "")
    with accounts._db.writing() as db:
        user_id = db.execute(sql.VERIFY, {"phone": number}).scalar_one()
        return str(accounts._begin_session(db, user_id, "login"))
