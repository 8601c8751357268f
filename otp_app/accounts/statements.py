"""The statements, each in one piece; values travel as parameters, which are named by `:name` here."""

from __future__ import annotations

from sqlalchemy import BindParameter, bindparam, delete, false, func, insert, select, true, update

from otp_app.accounts.tables import activity, sessions, users

_PHONE: BindParameter[str] = bindparam("phone")
_USER_ID: BindParameter[int] = bindparam("of_user")
_ID: BindParameter[int | str] = bindparam("of_id")
_USER = (users.c.id, users.c.phone_number, users.c.name, users.c.email)

#: :phone -> the user who has verified it
USER = select(*_USER).where(users.c.phone_number == _PHONE, users.c.is_verified == true())
#: :phone, :new_name, :new_email -> the id of a user who has not verified the number yet
SIGN_UP_AGAIN = (
    update(users)
    .where(users.c.phone_number == _PHONE, users.c.is_verified == false())
    .values(name=bindparam("new_name"), email=bindparam("new_email"))
    .returning(users.c.id)
)
#: the columns of a user -> its id
SIGN_UP = insert(users).returning(users.c.id)
#: :phone -> the id of the user, verified from now on
VERIFY = update(users).where(users.c.phone_number == _PHONE).values(is_verified=true()).returning(users.c.id)
#: :of_id, and :new_name, :new_email, of which None leaves what is there -> the user
CHANGE_PROFILE = (
    update(users)
    .where(users.c.id == _ID)
    .values(
        name=func.coalesce(bindparam("new_name"), users.c.name),
        email=func.coalesce(bindparam("new_email"), users.c.email),
    )
    .returning(*_USER)
)
#: :of_id, :new_phone
CHANGE_NUMBER = update(users).where(users.c.id == _ID).values(phone_number=bindparam("new_phone"))
#: :phone, whose user has never verified it
FORGET_UNVERIFIED = delete(users).where(users.c.phone_number == _PHONE, users.c.is_verified == false())
#: :of_id
DELETE_USER = delete(users).where(users.c.id == _ID)

#: the columns of a session
BEGIN_SESSION = insert(sessions)
#: :hash, :now -> the session, and its user
SESSION = (
    select(sessions.c.id.label("session_id"), *_USER)
    .join_from(sessions, users)
    .where(sessions.c.token_hash == bindparam("hash"), sessions.c.expires_at > bindparam("now"))
)
#: :of_user, :now -> newest first
SESSIONS = (
    select(sessions.c.id, sessions.c.created_at, sessions.c.expires_at)
    .where(sessions.c.user_id == _USER_ID, sessions.c.expires_at > bindparam("now"))
    .order_by(sessions.c.created_at.desc(), sessions.c.id)
)
#: :of_user, :of_id
END_SESSION = delete(sessions).where(sessions.c.user_id == _USER_ID, sessions.c.id == _ID)
#: :of_user, :of_id, which stays
END_OTHER_SESSIONS = delete(sessions).where(sessions.c.user_id == _USER_ID, sessions.c.id != _ID)
#: :of_user, :now
FORGET_EXPIRED = delete(sessions).where(sessions.c.user_id == _USER_ID, sessions.c.expires_at <= bindparam("now"))

#: the columns of an event
NOTE = insert(activity)
#: :of_user, :before
FORGET_NOTES = delete(activity).where(activity.c.user_id == _USER_ID, activity.c.at < bindparam("before"))
#: :of_user, :most -> newest first
NOTES = (
    select(activity.c.event, activity.c.at)
    .where(activity.c.user_id == _USER_ID)
    .order_by(activity.c.at.desc(), activity.c.id.desc())
    .limit(bindparam("most"))
)
#: :phone -> the id of the user, who may not have verified the number yet
ANY_USER = select(users.c.id).where(users.c.phone_number == _PHONE)
#: the same; on PostgreSQL the next change that asks so for this user waits for the end of this one, as all do on SQLite
HELD_USER = ANY_USER.with_for_update(key_share=True)
#: :of_user, :of_event, :of_at
NOTED = select(activity.c.id).where(
    activity.c.user_id == _USER_ID, activity.c.event == bindparam("of_event"), activity.c.at == bindparam("of_at")
)
#: :phone -> everything that is stored of the user, verified or not
WHOLE_USER = select(users).where(users.c.phone_number == _PHONE)
#: :of_user -> all, expired or not, without what a token is recognized by
ALL_SESSIONS = select(sessions.c.id, sessions.c.created_at, sessions.c.expires_at).where(
    sessions.c.user_id == _USER_ID
)
#: :of_user
ALL_NOTES = select(activity.c.event, activity.c.at).where(activity.c.user_id == _USER_ID).order_by(activity.c.at)
