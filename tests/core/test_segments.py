"""How many SMS a text takes."""

from __future__ import annotations

import pytest

from otp_app.core.segments import size_of

GSM_7 = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)


def test_the_alphabet_is_that_of_gsm_03_38() -> None:
    """127 characters beside the escape, one unit each."""
    assert len(set(GSM_7)) == 127
    assert size_of(GSM_7) == (1, 127, 160, "")


@pytest.mark.parametrize("char", "\f^{}\\[~]|€")
def test_a_character_of_the_extension_takes_two_units(char: str) -> None:
    assert size_of(char * 80) == (1, 160, 160, "")
    assert size_of(char * 81).segments == 2


@pytest.mark.parametrize(("text", "segments"), [
    ("", 1), ("a" * 160, 1), ("a" * 161, 2), ("a" * 306, 2), ("a" * 307, 3),
    ("€" * 152, 2), ("€" * 153, 3),  # 153 is odd: of two units neither begins an SMS
    ("я" * 70, 1), ("я" * 71, 2), ("я" * 134, 2), ("я" * 135, 3),
    ("😀" * 35, 1), ("😀" * 36, 2), ("😀" * 66, 2), ("😀" * 67, 3), ("я" + "a" * 69, 1), ("я" + "a" * 70, 2),
], ids=ascii)  # fmt: skip
def test_several_sms_have_less_room_each(text: str, segments: int) -> None:
    """160 and 153 septets, or 70 and 67 units of UCS-2; no character is cut in two."""
    assert size_of(text).segments == segments


@pytest.mark.parametrize(("text", "char"), [
    ("Tu código", "ó"), ("Votre clé à vous", ""), ("français", "ç"), ("Ça", ""), ("tab\t", "\t"), ("`", "`"),
    ("a\u2019b", "\u2019"), ("no\u00a0break", "\u00a0"), ("şı", "ş"), ("\u0391", "\u0391"), ("\u03a3", ""),
], ids=ascii)  # fmt: skip
def test_the_first_character_that_costs_the_encoding_is_named(text: str, char: str) -> None:
    found = size_of(text)
    assert (found.outside, found.encoding, found.room) == (char, *(("UCS-2", 70) if char else ("GSM-7", 160)))
