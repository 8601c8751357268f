"""What APIs call: sign up, log in, and what a session may do. The codes are the core's, each for a purpose of its own.

A code is used up before the database is changed, and the database is asked beforehand whether it can be. Should it
fail in between, its user needs another code, and nothing else has happened.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from secrets import token_bytes
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from otp_app.accounts import statements as sql
from otp_app.accounts.database import Database
from otp_app.accounts.errors import NoSession, SessionNotFound, UserExists, UserNotFound, WrongCode
from otp_app.accounts.purposes import CHANGE, DELETE, LOG_IN, SIGN_UP
from otp_app.accounts.tokens import hash_of, new_session
from otp_app.core.errors import InvalidInput
from otp_app.core.instant import Clock
from otp_app.core.phone import spelling
from otp_app.core.policy import DAY
from otp_app.core.results import FreshSendResult, SendRequest
from otp_app.core.service import VerificationService

NOTES_KEPT = 90 * DAY  # seconds
NOTES_SHOWN = 100
DELETED = "The account was deleted"
_NAME = re.compile(r"[^\x00-\x1f\x7f]{0,100}")
_EMAIL = re.compile(r"([^\s@\x00-\x1f\x7f]{1,64}@[^\s@\x00-\x1f\x7f]{1,189})?")

#: takes the number of a sign-up, its request, and what to call before the code can come
Ask = Callable[[str, SendRequest, Callable[[], None]], None]


@dataclass(frozen=True, slots=True)
class User:
    """A user who has verified the number. "": no name, no email."""

    id: int
    phone_number: str  # E.164
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Session:
    """A session that is valid now, and whose it is."""

    id: str
    user: User


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as its user may see it; times are seconds since the epoch."""

    id: str
    created_at: int
    expires_at: int
    current: bool  # it is the one that asks


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a user did, and when (seconds since the epoch)."""

    event: str
    at: int


class Accounts:
    """The accounts of one database. Each method raises AccountsUnavailable while that cannot be used.

    `ask` is there where others make and send the codes of sign-ups, later.
    """

    def __init__(
        self,
        verifications: VerificationService,
        database: Database,
        *,
        clock: Clock,
        session_ttl: float,
        random_bytes: Callable[[int], bytes] = token_bytes,
        ask: Ask | None = None,
    ) -> None:
        self._verifications, self._db = verifications, database
        self._clock, self._session_ttl, self._random_bytes = clock, int(session_ttl), random_bytes
        self._ask = ask

    # ---- without a session

    def is_registered(self, phone_number: str) -> bool:
        """Return whether a number belongs to a user. Raises InvalidPhone."""
        with self._db.reading() as db:
            return db.execute(sql.USER, {"phone": spelling(phone_number)}).first() is not None

    def sign_up(self, phone_number: str, request: SendRequest, name: str = "", email: str = "") -> None:
        """Send a code to a new user, or ask for it. Until it is shown there is no such user, and anybody may sign up
        again.

        Raises UserExists, InvalidInput, and what VerificationService.send, or `ask`, raises.
        """
        _check_profile(name, email)
        if self.is_registered(phone_number):
            raise UserExists("phone number already exists")

        # Only for a number that can be verified, and before its code can arrive.
        keep = partial(self._keep_unverified, spelling(phone_number), name, email)
        if self._ask:
            self._ask(phone_number, request, keep)
        else:
            self._verifications.send(phone_number, request.with_purpose(SIGN_UP), lambda _: keep())

    def verify(self, phone_number: str, code: str) -> str:
        """Check the code of a sign-up and return the token of a new session.

        Raises WrongCode, UserNotFound where the user is gone meanwhile, and what VerificationService.check raises.
        """
        phone = self._prove(phone_number, SIGN_UP, code)
        with self._db.writing() as db:
            user_id = db.execute(sql.VERIFY, {"phone": phone}).scalar()
            if user_id is None:
                raise UserNotFound("phone number not found")
            return self._begin_session(db, user_id, "verify")

    def send_login_code(self, phone_number: str, request: SendRequest) -> FreshSendResult:
        """Send a code to a number, whether or not it belongs to a user: the answer must not tell."""
        return self._verifications.send(phone_number, request.with_purpose(LOG_IN))

    def log_in(self, phone_number: str, code: str) -> str:
        """Check a code and return the token of a new session.

        Raises WrongCode and, only to somebody who has the phone, UserNotFound.
        """
        phone = self._prove(phone_number, LOG_IN, code)
        with self._db.writing() as db:
            user = db.execute(sql.USER, {"phone": phone}).first()
            if user is None:
                raise UserNotFound("user not found")
            return self._begin_session(db, user.id, "login")

    # ---- with one

    def session(self, token: str) -> Session:
        """Return the session of a token. Raises NoSession."""
        with self._db.reading() as db:
            found = db.execute(sql.SESSION, {"hash": hash_of(token), "now": self._now()}).first()
        if found is None:
            raise NoSession("The session has ended, or there is none: log in")
        return Session(found.session_id, User(found.id, found.phone_number, found.name, found.email))

    def log_out(self, session: Session) -> None:
        """End a session."""
        self._end(session, session.id, "logout")

    def sessions(self, session: Session) -> list[SessionView]:
        """Return the sessions of the user that have not expired, the newest first."""
        with self._db.reading() as db:
            rows = db.execute(sql.SESSIONS, {"of_user": session.user.id, "now": self._now()}).all()
        return [SessionView(row.id, row.created_at, row.expires_at, row.id == session.id) for row in rows]

    def revoke(self, session: Session, session_id: str) -> None:
        """End a session of the same user. Raises SessionNotFound."""
        self._end(session, session_id, "revoke_session")

    def update_profile(self, session: Session, name: str | None = None, email: str | None = None) -> User:
        """Change what is given, "" to nothing, and return the user as it is now. Raises InvalidInput."""
        _check_profile(name or "", email or "")
        values = {"of_id": session.user.id, "new_name": name, "new_email": email}
        with self._db.writing() as db:
            changed = db.execute(sql.CHANGE_PROFILE, values).first()
            if changed is None:
                raise NoSession(DELETED)
            self._note(db, session.user.id, "update_profile")
        return User(changed.id, changed.phone_number, changed.name, changed.email)

    def send_change_code(self, session: Session, phone_number: str, request: SendRequest) -> FreshSendResult:
        """Send a code to the number that the user wants to change to. Raises InvalidInput, and what send raises."""
        if spelling(phone_number) == session.user.phone_number:
            raise InvalidInput("phone_number is the number of this account already")
        return self._verifications.send(phone_number, request.with_purpose(CHANGE))

    def change_number(self, session: Session, phone_number: str, code: str) -> User:
        """Check the code at the new number, and give the user that number; all other sessions end.

        Raises WrongCode and, only to somebody who has that phone, UserExists.
        """
        phone, user = self._prove(phone_number, CHANGE, code), session.user
        with self._db.writing() as db:
            db.execute(sql.FORGET_UNVERIFIED, {"phone": phone})
            try:
                self._change(db, sql.CHANGE_NUMBER, {"of_id": user.id, "new_phone": phone})
            except IntegrityError as error:
                raise UserExists("phone number already exists") from error
            db.execute(sql.END_OTHER_SESSIONS, {"of_user": user.id, "of_id": session.id})
            self._note(db, user.id, "change_number")
        return replace(user, phone_number=phone)

    def send_deletion_code(self, session: Session, request: SendRequest) -> FreshSendResult:
        """Send the user a code that deletes the account."""
        return self._verifications.send(session.user.phone_number, request.with_purpose(DELETE))

    def delete(self, session: Session, code: str) -> None:
        """Delete the user, with all sessions and notes. Raises WrongCode."""
        self._prove(session.user.phone_number, DELETE, code)
        with self._db.writing() as db:
            self._change(db, sql.DELETE_USER, {"of_id": session.user.id})

    def activity(self, session: Session) -> list[Note]:
        """Return what the user did lately, the newest first."""
        with self._db.reading() as db:
            rows = db.execute(sql.NOTES, {"of_user": session.user.id, "most": NOTES_SHOWN}).all()
        return [Note(row.event, row.at) for row in rows]

    # ---- steps

    def _now(self) -> int:
        return int(self._clock().wall)

    def _prove(self, phone_number: str, purpose: str, code: str) -> str:
        """Use up a code and return the number that it proves."""
        self._db.ping()
        verdict = self._verifications.check(code, phone_number=phone_number, purpose=purpose)
        if verdict.approval is None:
            raise WrongCode("invalid OTP")
        return verdict.approval.phone

    def _keep_unverified(self, phone: str, name: str, email: str) -> None:
        again = {"phone": phone, "new_name": name, "new_email": email}
        new = {"phone_number": phone, "name": name, "email": email, "is_verified": False, "created_at": self._now()}
        with self._db.writing() as db:
            user_id = db.execute(sql.SIGN_UP_AGAIN, again).scalar()
            if user_id is None:
                user_id = _added(db, new) or db.execute(sql.SIGN_UP_AGAIN, again).scalar()
            if user_id is None:
                raise UserExists("phone number already exists")
            self._note(db, user_id, "signup")

    def _begin_session(self, db: Connection, user_id: int, event: str) -> str:
        new, now = new_session(self._random_bytes), self._now()
        db.execute(sql.FORGET_EXPIRED, {"of_user": user_id, "now": now})
        values = {"id": new.id, "token_hash": new.token_hash, "user_id": user_id, "created_at": now}
        db.execute(sql.BEGIN_SESSION, values | {"expires_at": now + self._session_ttl})
        self._note(db, user_id, event)
        return new.token

    def _end(self, session: Session, session_id: str, event: str) -> None:
        with self._db.writing() as db:
            ended = db.execute(sql.END_SESSION, {"of_user": session.user.id, "of_id": session_id})
            if not ended.rowcount:
                raise SessionNotFound("session not found")
            self._note(db, session.user.id, event)

    def _change(self, db: Connection, statement: Any, values: dict[str, Any]) -> None:
        """Change a user who may have been deleted since the session was looked up."""
        if not db.execute(statement, values).rowcount:
            raise NoSession(DELETED)

    def _note(self, db: Connection, user_id: int, event: str) -> None:
        now = self._now()
        db.execute(sql.FORGET_NOTES, {"of_user": user_id, "before": int(now - NOTES_KEPT)})
        db.execute(sql.NOTE, {"user_id": user_id, "event": event, "at": now})


def _added(db: Connection, new: dict[str, Any]) -> int | None:
    """Return the id of a new user; None where another request was faster."""
    try:
        with db.begin_nested():
            return db.execute(sql.SIGN_UP, new).scalar_one()  # type: ignore[no-any-return]
    except IntegrityError:
        return None


def _check_profile(name: str, email: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidInput("name must be at most 100 characters, without control characters")
    if not _EMAIL.fullmatch(email):
        raise InvalidInput("email must be an address, such as ann@example.com")
