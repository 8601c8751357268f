"""What accounts raise instead of an answer."""

from __future__ import annotations

from otp_app.core.errors import InvalidInput, OtpError

NEWER = "its tables are of a newer version of this server"


class AccountsUnavailable(OtpError):
    """The database cannot be reached or cannot write. Whether the last change was made may be unknown."""

    code = "accounts_unavailable"

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message, retry_after)

    @classmethod
    def because(cls, reason: str) -> AccountsUnavailable:
        """Return it with a reason that callers may read."""
        return cls(f"The database of accounts is not available ({reason})")


class WrongCode(InvalidInput):
    """The code is wrong, expired, used, or none was sent."""

    code = "wrong_code"


class UserExists(OtpError):
    """The number belongs to a user already."""

    code = "user_exists"


class UserNotFound(OtpError):
    """The number belongs to no user."""

    code = "user_not_found"


class NoSession(OtpError):
    """The session token is not known, has expired, or was revoked."""

    code = "no_session"


class SessionNotFound(OtpError):
    """The user has no session of this id."""

    code = "session_not_found"
