"""What a check says on the users API when it accepts nothing: status and body, word for word."""


def failure(user_id, message, error_type):
    """What a check says that accepts nothing."""
    return {"detail": {"success": False, "message": message, "user_id": user_id, "error_type": error_type}}


def invalid(user_id, left):
    """A wrong code, which left so many attempts."""
    return 400, failure(user_id, f"Invalid OTP. {left} attempts remaining", "invalid_code")


def too_many(user_id):
    """All attempts are used; reported once."""
    return 429, failure(user_id, "Too many failed attempts", "too_many_attempts")


def expired(user_id):
    """The code's time is over; reported once."""
    return 410, failure(user_id, "OTP has expired", "expired")


def nothing(user_id):
    return 404, failure(user_id, "No OTP found for this user or OTP has expired", "not_found")


def said(answer):
    return answer.status, answer.json
