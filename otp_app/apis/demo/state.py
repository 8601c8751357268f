"""What the views of the demo work with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Demo:
    """What the page offers."""

    channels: tuple[str, ...]  # that one may choose
    digits: int  # of a code
    scripted: bool  # the native API is there, which otp.js talks to
    error_pages: str  # where the provider explains the numbers of its errors, "" without one
    is_shut: bool  # nobody can use it in a browser
    watched: bool  # its reader may see what becomes of the message
