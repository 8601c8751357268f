"""What a caller asks of a send."""

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
    """One caller's choices. Raises InvalidInput where one is not in its form."""

    purpose: str = DEFAULT_PURPOSE
    channel: str | None = None  # the only one to use; None: the configured ones in order
    locale: str = ""  # language tag of the text
    authenticated: bool = False  # the caller showed an API key
    from_directory: bool = False  # the number is from the operator's own directory: it need not be in use
    code: str = ""  # chosen by the caller for a verification that begins; 4 to 10 digits
    replace_code: bool = False  # that code replaces the one of a pending verification too

    def __post_init__(self) -> None:
        if not PURPOSE.fullmatch(self.purpose):
            raise InvalidInput("purpose must be 1 to 32 characters of a-z, 0-9, _ and -, such as login")
        if self.locale and not LOCALE.fullmatch(self.locale):
            raise InvalidInput("locale must be a language tag, such as en or pt-BR, of 100 characters at most")
        if self.code and not CODE.fullmatch(self.code):
            raise InvalidInput("code must be 4 to 10 digits")
