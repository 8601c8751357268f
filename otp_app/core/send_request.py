"""What a caller may choose about a send."""

from __future__ import annotations

import re
from dataclasses import dataclass

from otp_app.core.codes import CODE
from otp_app.core.errors import InvalidInput
from otp_app.core.texts import LOCALE

PURPOSE = re.compile(r"[a-z0-9_-]{1,32}")
DEFAULT_PURPOSE = "login"


@dataclass(frozen=True, slots=True)
class SendRequest:
    """One caller's choice. Raises InvalidInput where that is nothing anybody can choose."""

    purpose: str = DEFAULT_PURPOSE
    channel: str | None = None  # the only one to use; None: the configured ones in order
    locale: str = ""  # language tag of the text
    authenticated: bool = False  # the caller showed an API key
    from_directory: bool = False  # the number is from the operator's own directory: it need not be in use
    code: str = ""  # of the caller's own choice, for a verification that begins; 4 to 10 digits
    replace_code: bool = False  # that code, in place of a pending verification's too

    def __post_init__(self) -> None:
        if not PURPOSE.fullmatch(self.purpose):
            raise InvalidInput("purpose must be 1 to 32 of a-z, 0-9, _ and -")
        if self.locale and not LOCALE.fullmatch(self.locale):
            raise InvalidInput("locale must be a language tag, such as en or pt-BR, of 100 characters at most")
        if self.code and not CODE.fullmatch(self.code):
            raise InvalidInput("code must be 4 to 10 digits")
