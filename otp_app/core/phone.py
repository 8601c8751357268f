"""Phone numbers: one spelling for one number, and which numbers may receive a code."""

from __future__ import annotations

import re
from dataclasses import dataclass

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from otp_app.core.errors import CountryNotAllowed, InvalidPhone

# ASCII only: phonenumbers itself would fold full-width digits, letters, extensions and invisible characters
# into one number, which makes as many spellings of one number as an attacker likes.
_SEPARATORS = str.maketrans("", "", " -.()")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_MAX_TEXT = 40

_MOBILE = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}
_NO_COUNTRY = "001"  # phonenumbers' region of satellite, freephone and other worldwide numbers
_TWILIO_TEST_PREFIX = "+1500555"  # Twilio's test numbers; their 500 area code is a personal one


@dataclass(frozen=True, slots=True)
class Phone:
    """A number in its one spelling."""

    e164: str
    country: str  # ISO 3166 alpha-2 ("" for a number that is only possible)
    landline: bool

    @property
    def masked(self) -> str:
        """The number as it may be shown: its calling code and its last three digits."""
        return mask(self.e164)


def parse(text: str, countries: frozenset[str] = frozenset(), *, possible_is_enough: bool = False) -> Phone:
    """Return the number that a text names, in E.164 with blanks, hyphens, dots and brackets allowed.

    `countries` (ISO 3166 alpha-2) is the list of those served; empty: all. Raises InvalidPhone for what is no
    mobile or fixed number of a country, CountryNotAllowed for another country. With `possible_is_enough` the
    number needs the right length only, which the operator's own lists may have.
    """
    digits = text.translate(_SEPARATORS) if len(text) <= _MAX_TEXT else ""
    if not _E164.fullmatch(digits):
        raise InvalidPhone("phone_number must be a number in international form, such as +14155552671")
    try:
        number = phonenumbers.parse(digits, None)
    except phonenumbers.NumberParseException:
        raise InvalidPhone("phone_number has no known country calling code") from None
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    if possible_is_enough and phonenumbers.is_possible_number(number):
        return Phone(e164, "", landline=False)
    return _served(number, e164, countries)


def mask(e164: str) -> str:
    """Hide a number: +14155552671 becomes +1*******671."""
    try:
        calling_code = str(phonenumbers.parse(e164, None).country_code)
    except phonenumbers.NumberParseException:
        calling_code = ""
    rest = e164[1 + len(calling_code) :]
    return f"+{calling_code}{'*' * (len(rest) - 3)}{rest[-3:]}"


def _served(number: phonenumbers.PhoneNumber, e164: str, countries: frozenset[str]) -> Phone:
    if not phonenumbers.is_valid_number(number):
        raise InvalidPhone("phone_number is not a number in use")
    kind, country = phonenumbers.number_type(number), phonenumbers.region_code_for_number(number)
    personal_test = kind == PhoneNumberType.PERSONAL_NUMBER and e164.startswith(_TWILIO_TEST_PREFIX)
    if country in (None, _NO_COUNTRY) or (kind not in _MOBILE | {PhoneNumberType.FIXED_LINE} and not personal_test):
        raise InvalidPhone("phone_number is not a mobile number")  # premium, shared cost, satellite and the like
    if countries and country not in countries:
        raise CountryNotAllowed("Numbers of this country are not served")
    return Phone(e164, country, landline=kind == PhoneNumberType.FIXED_LINE)
