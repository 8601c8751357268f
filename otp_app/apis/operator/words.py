"""What states, errors and outcomes are called on the pages."""

from __future__ import annotations

from typing import NamedTuple

from otp_app.core.delivery import ErrorClass, Reason
from otp_app.system.program import COMMAND

#: of a verification, a notification or a message: what it means for a person who asks about it
STATES = {
    "pending": "waiting for the code",
    "approved": "approved: the right code was typed",
    "canceled": "canceled",
    "expired": "expired: nobody typed the code in time",
    "max_attempts_reached": "ended by wrong codes",
    "refused": "refused: no message left",
    "queued": "queued",
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "undelivered": "not delivered",
    "failed": "failed",
    "unknown": "unknown: it may have left",
    "stopped": "not sent: the recipient wants no notifications",
}
GOOD = frozenset({"approved", "delivered", "read"})
BAD = frozenset({"refused", "undelivered", "failed", "max_attempts_reached", "stopped", "damaged"})

#: of one message
DELIVERIES = {
    "pending": "being sent, unless the server was stopped meanwhile",
    "sent": "taken by the provider",
    "unknown": "no clear answer from the provider, so it may have left",
    "refused": "refused by the provider",
    "accepted": "accepted by the provider",
    "scheduled": "scheduled by the provider",
    "queued": "queued by the provider",
    "sending": "being sent by the provider",
    "delivered": "delivered to the phone",
    "read": "read by the user",
    "undelivered": "not delivered",
    "failed": "failed, so it will not arrive",
    "canceled": "canceled, so it will not arrive",
}
#: of one message, where a report says more than the same word as an answer
REPORTED = {"sent": "handed on to the phone's network"}
#: of one code on the terminal of the server, which is no message to a phone
PRINTED = dict.fromkeys(("sent", "delivered"), "printed in the server's terminal") | {
    "pending": "being printed, unless the server was stopped meanwhile",
    "unknown": "perhaps printed: the terminal is gone",
}
CHANNELS = {"whatsapp": "WhatsApp", "sms": "SMS", "console": "Console", "twilio_verify": "Twilio Verify"}


class Meaning(NamedTuple):
    """What a class of errors is about."""

    name: str
    remedy: str
    is_ours: bool  # the operator has to mend it


_RECIPIENT = "These are single phones. The user corrects the number or tries another channel."
_PROVIDER = "Look at the provider's status page. Other channels of OTP_CHANNELS take over where there are some."

MEANINGS = {
    ErrorClass.RECIPIENT: Meaning("Wrong or unreachable number", _RECIPIENT, is_ours=False),
    ErrorClass.OPTED_OUT: Meaning("Recipient opted out", "The user has to write START to the sender.", is_ours=False),
    ErrorClass.DESTINATION: Meaning(
        "Country not allowed", "Allow the country in the provider's geographic permissions, or leave it out of "
        "OTP_COUNTRIES.", is_ours=True,
    ),
    ErrorClass.TEMPLATE: Meaning(
        "Template failing", "Look at the template in Twilio's console: it has to be approved, active and of the right "
        "category.", is_ours=True,
    ),
    ErrorClass.SANDBOX: Meaning(
        "Not in the WhatsApp sandbox", "Each test phone joins the sandbox again after three days.", is_ours=True,
    ),
    ErrorClass.SENDER: Meaning("Sender not usable", "Correct the sender's number or service.", is_ours=True),
    ErrorClass.ACCOUNT: Meaning("Provider account", f"Run `{COMMAND} doctor`: it asks the provider.", is_ours=True),
    ErrorClass.CARRIER: Meaning("Carrier problem", "The user tries again later or on another channel.", is_ours=False),
    ErrorClass.RATE: Meaning("Provider's rate reached", "Ask the provider for a higher rate.", is_ours=True),
    ErrorClass.CONTENT: Meaning("Text filtered", "Change the text: say who sends it and what it is for.", is_ours=True),
    ErrorClass.FRAUD: Meaning("Taken for fraud", "Look at the countries below for a sudden rise.", is_ours=True),
    ErrorClass.UNKNOWN: Meaning("Other error", "Open the newest example.", is_ours=False),
    Reason.BAD_NUMBER: Meaning("Wrong or unreachable number", _RECIPIENT, is_ours=False),
    Reason.BLOCKED: Meaning("Country not allowed", "The provider does not send there.", is_ours=True),
    Reason.SUSPICIOUS: Meaning("Taken for fraud", "Look at the countries below for a sudden rise.", is_ours=True),
    Reason.THROTTLED: Meaning("Provider's rate reached", "Ask the provider for a higher rate.", is_ours=True),
    Reason.ACCOUNT: Meaning("Provider account", f"Run `{COMMAND} doctor`: it asks the provider.", is_ours=True),
    Reason.AUTH: Meaning("Credentials rejected", f"Run `{COMMAND} doctor` and correct the credentials.", is_ours=True),
    Reason.UNREACHABLE: Meaning("Provider not reached", _PROVIDER, is_ours=True),
    Reason.FAILED: Meaning("Message failed", "Open the newest example.", is_ours=False),
}


def meaning(error: str) -> Meaning:
    """Return what a class of errors is about; one that only another version knows has its own name."""
    known = {str(name): found for name, found in MEANINGS.items()}
    return known.get(error) or Meaning(error.replace("_", " ").capitalize(), "Open the newest example.", is_ours=False)


def tone(state: str) -> str:
    """Return whether a state is good, bad or neither, as the style sheet calls it."""
    return "good" if state in GOOD else "bad" if state in BAD else "plain"


def channel(name: str) -> str:
    """Return what a channel is called."""
    return CHANNELS.get(name, name)


def message(name: str, delivery: str, by: str = "answer") -> str:
    """Return what became of a message of a channel, by the answer of its provider or by a report that followed."""
    if name == "console":
        return f"Console: {PRINTED.get(delivery, delivery)}"
    known = DELIVERIES | REPORTED if by == "report" else DELIVERIES
    return f"{channel(name)} message: {known.get(delivery, delivery)}"
