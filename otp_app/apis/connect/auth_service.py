"""auth.AuthService: each method is an RPC; its errors are those of the accounts and of the core."""

from __future__ import annotations

from datetime import UTC, datetime

from protobuf.wkt import Timestamp

from otp_app.accounts.errors import WrongCode
from otp_app.accounts.service import Accounts, User
from otp_app.apis.connect.fields import CODE_SENT, how_to_send, may_check, number_in
from otp_app.apis.connect.generated import auth_pb as pb
from otp_app.apis.connect.generated.auth_connect import AuthServiceSync
from otp_app.apis.connect.sessions import session
from otp_app.core.errors import InvalidInput, InvalidPhone
from otp_app.core.phone import spelling
from otp_app.web.client import Forbidden


class Auth(AuthServiceSync):
    """Accounts."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    # ---- without a session

    def signup_with_phone_number(self, request: pb.SignupRequest, _: object, /) -> pb.Done:
        """Send a code to a new user."""
        self._accounts.sign_up(number_in(request), how_to_send(), request.name, request.email)
        return pb.Done(message="Signup successful, OTP will be sent soon")

    def verify_phone_number(self, request: pb.NumberAndCode, _: object, /) -> pb.SessionBegun:
        """Begin the first session of a user."""
        token = self._accounts.verify(number_in(request), request.otp)
        return pb.SessionBegun(message=token, session_token=token)

    def login_with_phone_number(self, request: pb.NumberAndCode, _: object, /) -> pb.LoginResponse:
        """Send a code, or begin a session."""
        number = number_in(request)
        if not request.otp:
            self._accounts.send_login_code(number, how_to_send())
            return pb.LoginResponse(message=CODE_SENT, otp="")
        may_check()
        try:
            token = self._accounts.log_in(number, request.otp)
        except WrongCode as error:
            raise Forbidden(str(error)) from None
        return pb.LoginResponse(message="Login successful", session_token=token)

    def validate_phone_number_login(self, request: pb.Number, _: object, /) -> pb.ValidateResponse:
        """Say whether a number can log in. What is no number cannot."""
        try:
            is_valid = self._accounts.is_registered(number_in(request))
        except InvalidPhone:
            return pb.ValidateResponse(is_valid=False, message="Invalid phone number format")
        message = "Phone number is valid" if is_valid else "Phone number does not exist"
        return pb.ValidateResponse(is_valid=is_valid, message=message)

    # ---- with one

    def get_profile(self, request: pb.Number, _: object, /) -> pb.Profile:
        """Return the user. The number of another one, and one of nobody, get the same answer."""
        if spelling(number_in(request)) != session().user.phone_number:
            raise Forbidden("This session is of another phone number")
        return _profile(session().user)

    def update_profile(self, request: pb.ProfileChange, _: object, /) -> pb.Profile:
        """Change what is there, and return the user."""
        name, email = (getattr(request, field) if request.has_field(field) else None for field in ("name", "email"))
        return _profile(self._accounts.update_profile(session(), name, email))

    def change_phone_number(self, request: pb.NumberAndCode, _: object, /) -> pb.Done:
        """Send a code to the new number, or change to it."""
        number = number_in(request)
        if not request.otp:
            self._accounts.send_change_code(session(), number, how_to_send())
            return pb.Done(message=CODE_SENT)
        self._accounts.change_number(session(), number, request.otp)
        return pb.Done(message="Phone number changed")

    def delete_account(self, request: pb.Code, _: object, /) -> pb.Done:
        """Send a code, or delete the user."""
        if not request.otp:
            self._accounts.send_deletion_code(session(), how_to_send())
            return pb.Done(message=CODE_SENT)
        self._accounts.delete(session(), request.otp)
        return pb.Done(message="Account deleted")

    def logout(self, _: pb.Nothing, __: object, /) -> pb.Done:
        """End the session."""
        self._accounts.log_out(session())
        return pb.Done(message="Logged out")

    def list_sessions(self, _: pb.Nothing, __: object, /) -> pb.Sessions:
        """Return the user's sessions."""
        return pb.Sessions(
            sessions=[
                pb.Session(id=v.id, created_at=_at(v.created_at), expires_at=_at(v.expires_at), current=v.current)
                for v in self._accounts.sessions(session())
            ]
        )

    def revoke_session(self, request: pb.SessionId, _: object, /) -> pb.Done:
        """End a session of the user."""
        if not request.id:
            raise InvalidInput("id required")
        self._accounts.revoke(session(), request.id)
        return pb.Done(message="Session revoked")

    def list_activity(self, _: pb.Nothing, __: object, /) -> pb.Activities:
        """Return what the user did."""
        notes = self._accounts.activity(session())
        return pb.Activities(activities=[pb.Activity(event=note.event, at=_at(note.at)) for note in notes])


def _profile(user: User) -> pb.Profile:
    return pb.Profile(phone_number=user.phone_number, name=user.name, email=user.email)


def _at(seconds: int) -> Timestamp:
    return Timestamp.from_datetime(datetime.fromtimestamp(seconds, UTC))
