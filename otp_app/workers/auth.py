"""The worker that notes, in the activity of a user, that a code was sent."""

from __future__ import annotations

from contextlib import closing
from threading import Event

from otp_app.accounts.database import Database
from otp_app.accounts.errors import AccountsUnavailable
from otp_app.accounts.notes import note_sent
from otp_app.bus.consumer import Post
from otp_app.bus.errors import Dead
from otp_app.bus.letters import SENT, Letter
from otp_app.core.errors import OtpError
from otp_app.core.policy import DAY
from otp_app.settings import Settings
from otp_app.wiring import open_meter
from otp_app.workers.receiving import Scraped, receive


def is_passing(error: OtpError) -> bool:
    """Return whether a later attempt may succeed."""
    return isinstance(error, AccountsUnavailable)


def run(settings: Settings, stopping: Event, scraped: Scraped) -> None:
    """Note what was sent, until `stopping` is set. Raises ValueError."""
    meter = open_meter(bool(settings.otp_metrics_port))
    with closing(Database(settings.database_url)) as database, scraped(meter, None):
        handle = NotesCodes(database)
        receive(settings, SENT, handle, is_passing=is_passing, ttl=DAY, stopping=stopping, meter=meter)


class NotesCodes:
    """Notes each code once. What else a message says is not looked at, and a code in it is not used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __call__(self, letter: Letter, _: Post) -> None:
        """Note it. Raises Dead, InvalidPhone, AccountsUnavailable."""
        if letter.at is None:
            raise Dead("unreadable")
        note_sent(self._database, letter.text("phone_number"), letter.at)
