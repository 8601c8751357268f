"""What stands for what in a case: routes, fields, and numbers and codes that are made when a case asks for them."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from urllib.parse import parse_qsl, quote

from tests.provider import Provider
from tests.running import RunningServer

ROUTES = {"SEND": "/send-otp", "RESEND": "/resend-otp", "VERIFY": "/verify-otp", "CALLBACK": "/webhooks/twilio/status"}
FIELDS = {"F_PHONE": "phone_number", "F_CODE": "otp", "F_CHALLENGE": "verification_id"}
DIGITS = {"D7": "4641234", "D8": "12345678"}

_NAME = re.compile(r"\{\{([A-Z][A-Z0-9_]*)\}\}")
_LENGTH = re.compile(r"\{\{LEN:(.*?\}*)\}\}", re.DOTALL)  # braces at the end of the text belong to it


class Placeholders:
    """The values of one case. What a case does not name is not made: no number is used up, no message sent."""

    def __init__(self, server: RunningServer, provider: Provider, numbers: Iterator[str]) -> None:
        self._server, self._provider, self._numbers = server, provider, numbers
        self.sent = False  # whether `phone` has a live code
        self.body = b""  # the body of the request, for what signs it

    def fill(self, text: str) -> str:
        """The text with every known placeholder replaced; braces that are no placeholder stay."""
        filled = _NAME.sub(lambda found: self._value(found[1]) or found[0], text)
        return _LENGTH.sub(lambda found: str(len(found[1].encode())), filled)

    def send(self) -> None:
        """Begin a verification of `phone`."""
        answer = self._server.post(ROUTES["SEND"], {"phone_number": self.phone})
        assert answer.status == 200, f"the send before the case: {answer}"
        self.sent = True

    @cached_property
    def phone(self) -> str:
        """A number that nothing was sent to before."""
        return next(self._numbers)

    @cached_property
    def other_phone(self) -> str:
        """Another one."""
        return next(self._numbers)

    @cached_property
    def unsent_phone(self) -> str:
        """One that gets no message in this case."""
        return next(self._numbers)

    @property
    def code(self) -> str:
        """The live code of `phone`, as its owner reads it."""
        return self._provider.code(self.phone)

    @property
    def wrong(self) -> str:
        """A code of the same form that is not the live one."""
        return _shifted(self.code) if self.sent else "135791"

    @cached_property
    def other_id(self) -> str:
        """The id of a verification of `other_phone`."""
        return str(self._server.post(ROUTES["SEND"], {"phone_number": self.other_phone}).json["verification_id"])

    def made(self) -> dict[str, str]:
        """The numbers and codes that this case has used so far and that no answer may show."""
        names = [name for name in ("phone", "other_phone", "unsent_phone") if name in self.__dict__]
        return {name: getattr(self, name) for name in names} | ({"code": self.code} if self.sent else {})

    def _value(self, name: str) -> str | None:
        fixed = ROUTES | FIELDS | DIGITS | {"SEND_UPPER": ROUTES["SEND"].upper()}
        return fixed.get(name) or (_MADE[name](self) if name in _MADE else None)

    def _foreign_signature(self) -> str:
        """Twilio's signature of this body, sent to another URL."""
        fields = "".join(name + value for name, value in sorted(parse_qsl(self.body.decode("latin-1"))))
        signed = f"https://other.example{ROUTES['CALLBACK']}{fields}"
        return base64.b64encode(hmac.digest(b"faketoken1234567", signed.encode(), "sha1")).decode()


_MADE: dict[str, Callable[[Placeholders], str]] = {
    "HOST": lambda case: f"127.0.0.1:{case._server.port}",
    "PHONE": lambda case: case.phone,
    "PHONE2": lambda case: case.other_phone,
    "PHONE_Q": lambda case: quote(case.phone, safe=""),
    "PHONE_UNSENT": lambda case: case.unsent_phone,
    "D4": lambda case: case.phone[-4:],
    "CODE": lambda case: case.code,
    "WRONG": lambda case: case.wrong,
    "CODE_FULLWIDTH": lambda case: _digits_from(case.code, "\uff10"),
    "CODE_ARABIC": lambda case: _digits_from(case.code, "\u0660"),
    "CHALLENGE_OTHER": lambda case: case.other_id,
    "SIG_OTHER_URL": lambda case: case._foreign_signature(),
}


def _digits_from(code: str, zero: str) -> str:
    return "".join(chr(ord(zero) + int(digit)) for digit in code)


def _shifted(code: str) -> str:
    return "".join(str((int(digit) + 5) % 10) for digit in code)
