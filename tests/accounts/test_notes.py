"""What `worker auth` does with a message: one note for each code, in the activity of its user."""

from __future__ import annotations

from dataclasses import replace
from threading import Thread

import psycopg
import pytest
from sqlalchemy import event

from otp_app.accounts.errors import AccountsUnavailable
from otp_app.bus.letters import Letter
from tests.accounts.conftest import REQUEST, Bureau
from tests.bus.desk import Desk, notes_desk
from tests.running import wait_until

NUMBER = "+14155552671"
OF_NUMBER = {"phone_number": NUMBER}


@pytest.fixture
def desk(bureau: Bureau) -> Desk:
    return notes_desk(bureau.site, bureau.database)


def notes(bureau):
    return bureau.rows("SELECT event, at FROM accounts_activity WHERE event = 'code_sent'")


def test_a_code_is_noted_once(bureau, desk):
    """At the time of its message, for a user who has not verified the number yet too; copies change nothing."""
    number = bureau.number()
    bureau.accounts.sign_up(number, REQUEST)
    first, later = desk.letter(phone_number=number, otp="123456"), int(bureau.site.clock().wall) + 60
    for letter in (first, first, Letter("m2", later, first.body)):
        assert desk.take(letter)
    assert notes(bureau) == [("code_sent", first.at), ("code_sent", later)]


def test_postgres_notes_a_code_once_though_two_workers_have_its_message(postgres_server, open_bureau):
    """Where a connection breaks, the broker hands a message on while the first worker is still at it."""
    bureau = open_bureau(postgres_server.new_url())
    desk, number = notes_desk(bureau.site, bureau.database), bureau.number()
    bureau.accounts.sign_up(number, REQUEST)
    letter = desk.letter(phone_number=number)
    copy = Thread(target=desk.take, args=(letter,))

    def hand_on(_connection, _cursor, statement, *_):
        if "FROM accounts_activity" in statement and not copy.ident:  # the first worker has just looked
            copy.start()
            wait_until(lambda: not copy.is_alive() or is_held_up(bureau.url), "the copy to be done, or to wait")

    event.listen(bureau.database._engine, "after_cursor_execute", hand_on)
    assert desk.take(letter)
    copy.join()
    assert notes(bureau) == [("code_sent", letter.at)]


def is_held_up(url):
    """Whether somebody waits for a lock in this database."""
    with psycopg.connect(url) as db:
        asked = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return bool(db.execute(asked).rowcount)


def test_a_number_of_nobody_is_no_fault(bureau, desk):
    """The user may be gone."""
    assert desk.take(desk.letter(phone_number=bureau.number()))
    assert (notes(bureau), desk.paper.posts) == ([], [])


@pytest.mark.parametrize(("factor", "fields"), [(0, OF_NUMBER), (1000, OF_NUMBER), (1, {})])
def test_what_names_no_code_is_put_aside(bureau, desk, factor, fields):
    """Without a number, or the time that tells one code from another: one in milliseconds is far ahead."""
    bureau.accounts.sign_up(NUMBER, REQUEST)
    letter = desk.letter(**fields)
    assert desk.take(replace(letter, at=letter.at * factor or None))
    assert (desk.reasons(), notes(bureau)) == (["unreadable"], [])


def test_a_database_that_is_away_is_waited_for(bureau, desk, monkeypatch):
    """The note is made when it is back."""
    number = bureau.number()
    bureau.accounts.sign_up(number, REQUEST)
    monkeypatch.setattr("otp_app.accounts.notes.spelling", failing_once(number))
    assert desk.take(desk.letter(phone_number=number))
    assert len(notes(bureau)) == 1


def failing_once(number):
    faults = [AccountsUnavailable("away")]

    def spelling(_):
        if faults:
            raise faults.pop()
        return number

    return spelling

