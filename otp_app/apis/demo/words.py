"""What the page says: the words of otp.js where a browser runs no scripts, and those that otp.js has not."""

from __future__ import annotations

SENT = "We sent a code to {to} by {channel}."
FOLLOWED = "{before} did not deliver the code, so we sent it by {channel}."
LATER = "Try again in {time}."
WRONG = "This code is wrong or no longer valid."
ENDED = "This code is no longer valid. Send a new one."
APPROVED = "Your number is confirmed."
LOST = "not delivered"
ERROR = "Error"
TERMINAL = "The code is in the terminal of the server."

CHANNELS = {"whatsapp": "WhatsApp", "sms": "SMS", "console": "Terminal", "twilio_verify": "Twilio Verify"}
KINDS = {"delivered": "good", "read": "good", "refused": "bad", "undelivered": "bad", "failed": "bad"}

#: by error_type, in place of the words of the server, which are for those who write programs
ERRORS = {
    "invalid_phone": "This is not a mobile number with + and its country code.",
    "landline": "This is a landline, which cannot get a code.",
    "bad_number": "This number cannot get messages from here.",
    "country_not_allowed": "This server sends no codes to this number.",
    "opted_out": "This number has opted out of messages.",
    "resend_too_soon": "We sent a code a moment ago.",
    "too_many_sends": "This number has had too many codes.",
    "cooling_down": "There were too many wrong codes.",
    "too_many_requests": "There were too many requests from here.",
    "provider_account": "The message was refused: the account, sender or template has a problem. See the log.",
    "provider_auth": "The provider does not accept the credentials of this server. See the log.",
    "provider_unreachable": "The provider cannot be reached, so no message was sent.",
    "not_found": "This code is not known any more. Start again.",
    "bad_request": "Something is missing. Fill in the field and try again.",
}


def span(seconds: float) -> str:
    """Return some seconds as people say them."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{-(-seconds // 60):.0f} min"


def channel(name: str) -> str:
    """Return the name of a channel as people write it."""
    return CHANNELS.get(name, name)


def error(error_type: str, text: str, wait: float | None) -> str:
    """Return an error in plain words, with when to try again."""
    said = ERRORS.get(error_type, text)
    return f"{said} {LATER.format(time=span(wait))}" if wait else said


def for_script() -> dict[str, str]:
    """Return the words of otp.js that are other ones here."""
    return {**ERRORS, **CHANNELS, "by_console": TERMINAL}
