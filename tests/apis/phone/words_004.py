"""What the phone API says: status and body, word for word."""

VERIFIED = 200, {"message": "Security code is valid."}
BAD_PHONE = "Enter a valid phone number."
REQUIRED = "This field is required."
BLANK = "This field may not be blank."
NULL = "This field may not be null."
NO_TEXT = "Not a valid string."


def refused(text):
    return 400, {"non_field_errors": [text]}


NOT_VALID = refused("Security code is not valid")
EXPIRED = refused("Security code has expired")
USED = refused("Security code is already verified")
TOO_MANY = refused("Too many failed verification attempts. Please request a new code.")


def said(answer):
    return answer.status, answer.json


def throttled(answer):
    """Whether the answer is a refusal for a limit, in its words and with its header."""
    wait = int(answer.headers["Retry-After"])
    words = f"Request was throttled. Expected available in {wait} second{'' if wait == 1 else 's'}."
    return said(answer) == (429, {"detail": words})
