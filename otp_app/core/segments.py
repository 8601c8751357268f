"""How many SMS a text takes: in the alphabet of GSM 03.38, or in UCS-2 where one character is not in that.

A text of several SMS has less room in each, and a character of two units is never cut in two.
"""

from __future__ import annotations

import string
from collections.abc import Iterable
from typing import NamedTuple

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà" + string.ascii_letters + string.digits
)
_EXTENDED = frozenset("\f^{}\\[~]|€")  # two units each
_GSM_7, _UCS_2 = (160, 153), (70, 67)  # units in an only SMS, and in each of several


class Size(NamedTuple):
    """What a text takes."""

    segments: int
    units: int  # septets of GSM-7, or code units of UCS-2
    room: int  # units that one SMS alone has
    outside: str  # the first character that GSM-7 lacks; "" where it has all

    @property
    def encoding(self) -> str:
        """The name of the encoding."""
        return "UCS-2" if self.outside else "GSM-7"

    @property
    def octets(self) -> int:
        """The bytes of the text on its way; one SMS has 140."""
        return self.units * 2 if self.outside else -(-self.units * 7 // 8)

    @property
    def why(self) -> str:
        """What takes the room: how many characters, and the first that is outside of GSM-7."""
        count = f"{self.units} characters, where one SMS has {self.room}"
        if not self.outside:
            return count
        number = f"U+{ord(self.outside):04X}"
        shown = f"{self.outside} ({number})" if self.outside.isprintable() else number
        return f"{count} because {shown} is not in GSM-7"


def size_of(text: str) -> Size:
    """Return what a text takes."""
    outside = next((char for char in text if char not in _BASIC and char not in _EXTENDED), "")
    widths = [1 + (ord(char) > 0xFFFF if outside else char in _EXTENDED) for char in text]
    alone, of_several = _UCS_2 if outside else _GSM_7
    units = sum(widths)
    return Size(1 if units <= alone else _packed(widths, of_several), units, alone, outside)


def _packed(widths: Iterable[int], room: int) -> int:
    segments, used = 1, 0
    for width in widths:
        if used + width > room:
            segments, used = segments + 1, 0
        used += width
    return segments
