"""Accounts: what each operation does, on each database."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from otp_app.accounts.errors import NoSession, SessionNotFound, UserExists, UserNotFound, WrongCode
from otp_app.accounts.service import Accounts, Note
from otp_app.core.errors import InvalidInput, InvalidPhone, TooSoon
from tests.accounts.conftest import REQUEST, TTL
from tests.faults.load import at_once
from tests.web.site import wrong

DAY = 86_400


def done(bureau, session):
    return [note.event for note in bureau.accounts.activity(session)]


# ---- sign up


def test_a_sign_up_and_its_code_make_a_user(bureau):
    """Only then does the number belong to one."""
    number = bureau.number()
    bureau.accounts.sign_up(number, REQUEST, "Ann", "ann@example.com")
    assert not bureau.accounts.is_registered(number)
    session = bureau.accounts.session(bureau.accounts.verify(number, bureau.code()))
    assert bureau.accounts.is_registered(number)
    user = session.user
    assert (user.phone_number, user.name, user.email) == (number, "Ann", "ann@example.com")
    assert done(bureau, session) == ["verify", "signup"]


def test_a_number_is_one_however_it_is_written(bureau):
    """The user is stored under its one spelling."""
    bureau.accounts.sign_up("+1 (415) 555-2671", REQUEST)
    bureau.accounts.verify("+14155552671", bureau.code())
    assert bureau.accounts.is_registered("+1 415 555 2671")
    with pytest.raises(InvalidPhone):
        bureau.accounts.is_registered("4155552671")


def test_a_user_cannot_sign_up_again(bureau):
    """And costs no message."""
    number, _ = bureau.signed_up()
    bureau.site.clock.advance(400)
    with pytest.raises(UserExists):
        bureau.accounts.sign_up(number, REQUEST)
    assert len(bureau.site.channel.messages) == 1


def test_whoever_has_not_verified_may_sign_up_again(bureau):
    """With what is said last; a stranger's words do not stay."""
    number = bureau.number()
    bureau.accounts.sign_up(number, REQUEST, "Mallory", "m@example.com")
    bureau.site.clock.advance(31)
    bureau.accounts.sign_up(number, REQUEST, "Ann")
    user = bureau.accounts.session(bureau.accounts.verify(number, bureau.code())).user
    assert (user.name, user.email) == ("Ann", "")


def test_a_sign_up_that_a_verification_overtakes_changes_nothing(bureau):
    """The number became a user's between the look and the change."""
    number, token = bureau.signed_up()
    with pytest.raises(UserExists):
        bureau.accounts._keep_unverified(number, "Mallory", "")
    assert bureau.accounts.session(token).user.name == ""


def test_sign_ups_at_once_are_all_kept(bureau):
    """Each is told that its code will come."""
    number = bureau.number()
    at_once(8, lambda _: bureau.accounts._keep_unverified(number, "Ann", ""))
    assert bureau.rows("SELECT count(*), min(name) FROM accounts_users") == [(1, "Ann")]


def test_a_limit_leaves_nothing_behind(bureau):
    """No row of a user for a message that was not sent."""
    number = bureau.number()
    bureau.accounts.send_login_code(number, REQUEST)
    with pytest.raises(TooSoon):
        bureau.accounts.sign_up(number, REQUEST)
    assert bureau.rows("SELECT * FROM accounts_users") == []


@pytest.mark.parametrize(
    ("name", "email"),
    [("x" * 101, ""), ("a\nb", ""), ("", "ann"), ("", "a b@c"), ("", "a@" + "b" * 190), ("", "a@b@c")],
)
def test_a_profile_has_bounds(bureau, name, email):
    """At sign-up and later."""
    with pytest.raises(InvalidInput):
        bureau.accounts.sign_up(bureau.number(), REQUEST, name, email)
    session = bureau.session()
    with pytest.raises(InvalidInput):
        bureau.accounts.update_profile(session, name, email)


# ---- codes


def test_a_wrong_code_makes_no_user(bureau):
    """Nor does one that was never sent, or was used."""
    number = bureau.number()
    bureau.accounts.sign_up(number, REQUEST)
    for code in wrong(bureau.code()), "x", "":
        with pytest.raises(WrongCode):
            bureau.accounts.verify(number, code)
    bureau.accounts.verify(number, bureau.code())
    with pytest.raises(WrongCode):
        bureau.accounts.verify(number, bureau.code())


def test_a_code_is_good_for_its_purpose_alone(bureau):
    """One of a sign-up logs nobody in, and one of a log-in deletes nothing."""
    number = bureau.number()
    bureau.accounts.sign_up(number, REQUEST)
    with pytest.raises(WrongCode):
        bureau.accounts.log_in(number, bureau.code())
    session = bureau.accounts.session(bureau.accounts.verify(number, bureau.code()))
    bureau.site.clock.advance(400)
    bureau.accounts.send_login_code(number, REQUEST)
    with pytest.raises(WrongCode):
        bureau.accounts.delete(session, bureau.code())


def test_only_who_has_the_phone_learns_that_it_has_no_user(bureau):
    """The code is sent all the same; whoever signed up and never verified is no user."""
    number = bureau.number()
    bureau.accounts.sign_up(number, REQUEST)
    bureau.site.clock.advance(31)
    bureau.accounts.send_login_code(number, REQUEST)
    with pytest.raises(WrongCode):
        bureau.accounts.log_in(number, wrong(bureau.code()))
    with pytest.raises(UserNotFound):
        bureau.accounts.log_in(number, bureau.code())


def test_of_many_right_codes_one_is_accepted(bureau):
    """One session begins."""
    number = bureau.number()
    bureau.accounts.sign_up(number, REQUEST)
    code = bureau.code()

    def verify(_):
        try:
            return bureau.accounts.verify(number, code)
        except WrongCode:
            return ""

    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(verify, range(8)))
    assert len([token for token in tokens if token]) == 1
    assert bureau.rows("SELECT count(*) FROM accounts_sessions") == [(1,)]


# ---- sessions


def test_a_token_is_stored_as_a_hash_alone(bureau, tmp_path):
    """Who reads the database cannot use it."""
    _, token = bureau.signed_up()
    assert token not in str(bureau.rows("SELECT * FROM accounts_sessions"))
    files = [file for file in Path(tmp_path).rglob("*") if file.is_file()]
    assert [file for file in files if token.encode() in file.read_bytes()] == []


@pytest.mark.parametrize("token", ["", "ses_", "ses_" + "A" * 43, "\u00e4"])
def test_a_token_that_is_not_known_opens_nothing(bureau, token):
    """Whatever its form."""
    bureau.signed_up()
    with pytest.raises(NoSession):
        bureau.accounts.session(token)


def test_a_session_expires(bureau):
    """At its second, and its row goes with the next one."""
    number, token = bureau.signed_up()
    bureau.site.clock.advance(TTL - 1)
    assert bureau.accounts.session(token)
    bureau.site.clock.advance(1)
    with pytest.raises(NoSession):
        bureau.accounts.session(token)
    later = bureau.accounts.session(bureau.log_in(number))
    assert [(view.id, view.current) for view in bureau.accounts.sessions(later)] == [(later.id, True)]
    assert bureau.rows("SELECT count(*) FROM accounts_sessions") == [(1,)]


def test_a_user_sees_and_ends_sessions(bureau):
    """The newest first; one that was ended opens nothing, the others stay."""
    number, first = bureau.signed_up()
    second = bureau.log_in(number)
    mine = bureau.accounts.session(second)
    views = bureau.accounts.sessions(mine)
    assert [view.current for view in views] == [True, False]
    assert [view.expires_at - view.created_at for view in views] == [TTL, TTL]
    bureau.accounts.revoke(mine, views[1].id)
    with pytest.raises(NoSession):
        bureau.accounts.session(first)
    bureau.accounts.log_out(mine)
    with pytest.raises(NoSession):
        bureau.accounts.session(second)


def test_nobody_ends_the_session_of_another(bureau):
    """Its id is not found."""
    mine, other = bureau.session(), bureau.signed_up()[1]
    with pytest.raises(SessionNotFound):
        bureau.accounts.revoke(mine, bureau.accounts.session(other).id)
    assert bureau.accounts.session(other)


# ---- the user


def test_a_profile_changes_by_what_is_given(bureau):
    """None leaves a field, "" empties it."""
    session = bureau.session()
    bureau.accounts.update_profile(session, "Ann", "ann@example.com")
    session = bureau.accounts.session(bureau.log_in(session.user.phone_number))
    assert (session.user.name, session.user.email) == ("Ann", "ann@example.com")
    assert bureau.accounts.update_profile(session, email="").name == "Ann"
    assert done(bureau, session) == ["update_profile", "login", "update_profile", "verify", "signup"]


def test_a_profile_keeps_what_another_request_has_changed_meanwhile(bureau):
    """The one that began before knows the old email."""
    session = bureau.session()
    bureau.accounts.update_profile(session, email="ann@example.com")
    user = bureau.accounts.update_profile(session, "Ann")
    assert (user.name, user.email) == ("Ann", "ann@example.com")


def test_a_number_changes_with_a_proof_of_the_new_one(bureau):
    """The old one is free, other sessions end, this one stays."""
    number, first = bureau.signed_up()
    second, new = bureau.log_in(number), bureau.number()
    session = bureau.accounts.session(second)
    bureau.accounts.send_change_code(session, new, REQUEST)
    assert bureau.site.channel.messages[-1].to == new
    with pytest.raises(WrongCode):
        bureau.accounts.change_number(session, new, wrong(bureau.code()))
    assert bureau.accounts.change_number(session, new, bureau.code()).phone_number == new
    assert bureau.accounts.session(second).user.phone_number == new
    assert [bureau.accounts.is_registered(each) for each in (number, new)] == [False, True]
    with pytest.raises(NoSession):
        bureau.accounts.session(first)


def test_a_number_of_another_user_is_not_taken_over(bureau):
    """Which only a proof of that number tells."""
    taken, _ = bureau.signed_up()
    session = bureau.session()
    bureau.site.clock.advance(31)
    bureau.accounts.send_change_code(session, taken, REQUEST)
    with pytest.raises(UserExists):
        bureau.accounts.change_number(session, taken, bureau.code())
    assert bureau.accounts.is_registered(session.user.phone_number)
    with pytest.raises(InvalidInput):
        bureau.accounts.send_change_code(session, session.user.phone_number, REQUEST)


def test_a_number_that_was_never_verified_can_be_taken(bureau):
    """A stranger's sign-up does not hold it."""
    session, number = bureau.session(), bureau.number()
    bureau.accounts.sign_up(number, REQUEST)
    bureau.site.clock.advance(31)
    bureau.accounts.send_change_code(session, number, REQUEST)
    assert bureau.accounts.change_number(session, number, bureau.code()).phone_number == number


def test_a_deletion_leaves_nothing(bureau):
    """With a fresh code alone; sessions and activity go too, and the number may sign up again."""
    number, token = bureau.signed_up()
    session = bureau.accounts.session(token)
    bureau.site.clock.advance(31)
    bureau.accounts.send_deletion_code(session, REQUEST)
    with pytest.raises(WrongCode):
        bureau.accounts.delete(session, wrong(bureau.code()))
    bureau.accounts.delete(session, bureau.code())
    for table in "users", "sessions", "activity":
        assert bureau.rows(f"SELECT count(*) FROM accounts_{table}") == [(0,)]
    for act in (lambda: bureau.accounts.session(token), lambda: bureau.accounts.update_profile(session, "Ann")):
        with pytest.raises(NoSession):
            act()
    bureau.site.clock.advance(400)
    assert bureau.signed_up(number)


def test_activity_is_kept_for_90_days(bureau):
    """The newest first."""
    session = bureau.session()
    bureau.site.clock.advance(90 * DAY + 1)
    bureau.accounts.update_profile(session, "Ann")
    assert bureau.accounts.activity(session) == [Note("update_profile", int(bureau.site.clock().wall))]


def test_a_sign_up_can_leave_the_code_to_others(bureau):
    """They are asked once the row is there: a code must not come before it. If they cannot be, there is no user."""
    number, asked = bureau.number(), []

    def ask(phone_number, request, keep):
        keep()
        asked.append((phone_number, request, bureau.rows("SELECT phone_number FROM accounts_users")))

    verifications, clock = bureau.site.services.verifications, bureau.site.clock
    Accounts(verifications, bureau.database, clock=clock, session_ttl=TTL, ask=ask).sign_up(number, REQUEST)
    assert asked == [(number, REQUEST, [(number,)])]
    assert bureau.site.channel.messages == []
    assert not bureau.accounts.is_registered(number)
