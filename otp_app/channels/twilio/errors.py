"""What Twilio's error numbers mean: whom each is about, what helps, and how a message that it refuses counts.

Numbers and meanings are those of https://www.twilio.com/docs/api/errors (21265, 21266 and 21635 are new since 10 July
2024, 63049 since 1 April 2025). Only 63041, 63042 and 63051 are taken from second hand: they stand for what WhatsApp
itself calls 132015 (template paused), 132016 (template disabled) and 131031 (account locked).

A sentence is for the operator, says what helps, and has no number of a recipient.
"""

from __future__ import annotations

from otp_app.core.delivery import ErrorClass, Explanation, Reason

PAGE = "https://www.twilio.com/docs/api/errors/"

_OURS = "this server sent a request that Twilio cannot read: upgrade it, or report the defect"
_WAIT = "it passes by itself; if it lasts, ask Twilio for a higher rate"
_SENDER = "set TWILIO_PHONE_NUMBER to a number of this account that can send SMS, or TWILIO_MESSAGING_SERVICE_SID"
_ON_WHATSAPP = "set TWILIO_WHATSAPP_NUMBER to a sender that Twilio's console shows as online under WhatsApp senders"
_APPROVED = "approved one of the category authentication with the code as variable 1"
_TEMPLATE = f"TWILIO_CONTENT_SID must name an {_APPROVED}"
_ANOTHER = f"set TWILIO_CONTENT_SID to another {_APPROVED}"
_BY_SMS = ": send the code by SMS"
_TICKET = "if it hits many recipients of one carrier, open a ticket with Twilio with three message ids"

_SENTENCES: dict[ErrorClass, dict[int, str]] = {
    ErrorClass.RECIPIENT: {
        21211: "This is no phone number: the user has to correct it",
        21265: "This is a short code, which receives no messages: the user has to give a mobile number",
        21266: "This is the number of the sender itself: the user has to give their own number",
        21612: "Twilio has no route from this sender to this number: try a sender of the recipient's country",
        21614: "This is no mobile number: the user has to give one, or use another channel",
        21635: "This is a landline, which receives no SMS: the user has to give a mobile number",
        30003: "The phone is off or out of reach: the user should try again where there is a network",
        30005: "The carrier does not know this number: the user has to check it",
        30006: "This is a landline, or no carrier reaches it: the user has to give a mobile number",
        60200: "This is no phone number: the user has to correct it",
        60205: "This is a landline, which receives no SMS: the user has to give a mobile number",
        63003: f"There is no WhatsApp account at this number{_BY_SMS}",
        63024: f"This number cannot get WhatsApp messages, usually because it has no account there{_BY_SMS}",
        63031: "This is the number of the sender itself: the user has to give their own number",
        63032: f"WhatsApp does not deliver to this user at the moment, because of an experiment by Meta{_BY_SMS}",
    },
    ErrorClass.OPTED_OUT: {
        21610: "The recipient answered STOP to this sender: they have to send START to it first",
        63014: "The recipient blocked this sender on WhatsApp: they have to unblock it",
        63033: "The recipient blocked this sender on WhatsApp: they have to unblock it",
    },
    ErrorClass.DESTINATION: {
        21408: "This country is off for SMS: turn it on in Twilio's console under Messaging, Geo permissions",
        60605: "This country is off for Verify: turn it on in Twilio's console under Verify, Geo permissions",
    },
    ErrorClass.FRAUD: {
        30450: "Twilio took this for SMS pumping: if the user is real, add the number to Twilio's Safe List",
        60410: "Twilio blocks this prefix for some hours, because it saw fraud there: a real user should wait",
    },
    ErrorClass.RATE: {
        20429: f"This account has too many requests at Twilio: {_WAIT}",
        21611: f"The sender's queue at Twilio is full: {_WAIT}",
        30001: f"Twilio's queue was full: {_WAIT}",
        60202: "This verification has had all its checks at Twilio: the user has to request a new code",
        60203: "This verification has had all its messages at Twilio: a new one can begin in 10 minutes",
        60212: "Twilio has several requests for this number at once: the user should wait for the first code",
        63018: f"The sender has reached WhatsApp's rate: {_WAIT}",
    },
    ErrorClass.ACCOUNT: {
        10001: "The Twilio account is suspended: look at Twilio's console, or ask Twilio's support",
        20001: f"Twilio rejects a parameter: {_OURS}",
        20003: "Check TWILIO_ACCOUNT_SID with TWILIO_AUTH_TOKEN, or TWILIO_API_KEY_SID with TWILIO_API_KEY_SECRET",
        20004: f"Twilio does not have this method: {_OURS}",
        20005: "The Twilio account is not active: look at Twilio's console, or ask Twilio's support",
        20008: "These are Twilio's test credentials, which send nothing: set those of the account itself",
        20404: "Check TWILIO_ACCOUNT_SID, and TWILIO_VERIFICATION_SERVICE_SID where codes go through Twilio Verify",
        21602: f"The message has no text: {_OURS}",
        21604: f"The message has no recipient: {_OURS}",
        21608: "A trial account reaches only numbers that are verified in Twilio's console: upgrade it, or verify this",
        21609: "Twilio does not accept the address for receipts: set OTP_PUBLIC_URL to a host that it can reach",
        21617: f"The message is longer than 1600 characters: {_OURS}",
        21624: f"Twilio rejects the life of the message: {_OURS}",
        30002: "The Twilio account was suspended after it took the message: look at Twilio's console",
        60204: "This feature of the Verify service is off: ask Twilio's support to turn it on",
        60223: "This channel of the Verify service is off: turn it on in Twilio's console",
        63001: "WhatsApp does not accept the credentials of this sender: register it anew in Twilio's console",
        63020: "Your Meta business has not accepted Twilio's invitation: accept it in Meta Business Manager",
        63051: "Meta has locked the WhatsApp Business account: appeal in Meta Business Manager",
    },
    ErrorClass.SENDER: {
        21212: f"The sender is no phone number: {_SENDER}",
        21603: f"The message has no sender: {_SENDER}",
        21606: f"The sender is not of this account, or cannot send SMS: {_SENDER}",
        21659: f"The sender is no number of Twilio, or a short code of another country: {_SENDER}",
        21660: f"The sender is a number of another account: {_SENDER}",
        21703: "The messaging service has no fitting sender: add one to its pool in Twilio's console",
        21705: "There is no such messaging service in this account: correct TWILIO_MESSAGING_SERVICE_SID",
        21910: "One side is an address of WhatsApp and the other is not: correct TWILIO_WHATSAPP_NUMBER",
        30034: "The sender is not registered for the United States: register it for A2P 10DLC in Twilio's console",
        63007: f"The WhatsApp sender is not set up: {_ON_WHATSAPP}",
        63008: f"The WhatsApp sender is not set up completely: {_ON_WHATSAPP}",
    },
    ErrorClass.TEMPLATE: {
        21654: f"The template is not set: {_TEMPLATE}",
        21655: f"There is no such template in this account: {_TEMPLATE}",
        21656: f"The template does not take the code as its variable 1: {_TEMPLATE}",
        63016: f"Outside the 24 hours after a user's own message WhatsApp takes only a template: {_TEMPLATE}",
        63021: f"The content does not fit its template: {_TEMPLATE}",
        63027: f"The template does not exist in this language: {_TEMPLATE}",
        63028: f"The template has a different number of variables: {_TEMPLATE}",
        63041: f"Meta has paused the template for bad feedback: wait until it is active again, or {_ANOTHER}",
        63042: f"Meta has disabled the template: {_ANOTHER}",
        63049: f"Meta does not deliver this template, which it takes for marketing: {_ANOTHER}",
    },
    ErrorClass.SANDBOX: {
        63015: "The recipient has to join the WhatsApp sandbox first, and again after three days",
    },
    ErrorClass.CONTENT: {
        30007: f"The carrier or Twilio filtered the text as spam: write who sends it and why; {_TICKET}",
        63005: "WhatsApp does not accept the content: correct the text, or the template in Twilio's console",
        63013: "The content is against WhatsApp's policy: correct the template, and look at Meta Business Manager",
    },
    ErrorClass.CARRIER: {
        30004: "The recipient's carrier blocks messages to this phone: the user can ask the carrier to allow them",
        30008: f"The carrier gave no reason: the user should try again; {_TICKET}",
        30410: "The carrier did not answer in time: the user should try again",
    },
    ErrorClass.UNKNOWN: {
        20500: "Twilio had a fault: the user should try again, and https://status.twilio.com may say more",
        20503: "Twilio was not available: the user should try again, and https://status.twilio.com may say more",
    },
}

_BY_CLASS = {
    ErrorClass.RECIPIENT: Reason.BAD_NUMBER,
    ErrorClass.OPTED_OUT: Reason.OPTED_OUT,
    ErrorClass.DESTINATION: Reason.BLOCKED,
    ErrorClass.FRAUD: Reason.SUSPICIOUS,
    ErrorClass.RATE: Reason.THROTTLED,
    **dict.fromkeys((ErrorClass.ACCOUNT, ErrorClass.SENDER, ErrorClass.TEMPLATE, ErrorClass.SANDBOX), Reason.ACCOUNT),
    ErrorClass.CONTENT: Reason.ACCOUNT,
}
#: A phone that is off is no bad number, and a filter may let the next message through: such a message has just failed.
_JUST_FAILED = {30003, 30007}
_WRONG_CREDENTIALS = 20003

#: Another channel of the same account fails alike, and must not work around a protection against fraud.
_NOWHERE = {ErrorClass.ACCOUNT, ErrorClass.FRAUD}
#: A number that does not exist, or is our own, exists on no channel.
_NO_NUMBER = {21211, 21266, 30005, 60200, 63031}

_CLASSES = {code: error_class for error_class, codes in _SENTENCES.items() for code in codes}
CODES = frozenset(_CLASSES)


def meaning(code: int) -> Explanation:
    """Return what an error number means."""
    error_class = _CLASSES.get(code, ErrorClass.UNKNOWN)
    sentence = _SENTENCES[error_class].get(code, f"see {PAGE}{code}")
    fact = sentence.removesuffix(_BY_SMS) if sentence.endswith(_BY_SMS) else ""
    return Explanation(error_class, sentence, error_class not in _NOWHERE and code not in _NO_NUMBER, fact)


def reason(code: int | None) -> Reason | None:
    """Return why a message with this error number is refused; None where the number does not tell."""
    if code is None or code in _JUST_FAILED or code not in _CLASSES:
        return None
    return Reason.AUTH if code == _WRONG_CREDENTIALS else _BY_CLASS.get(_CLASSES[code])
