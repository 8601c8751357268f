"""Phone numbers: one spelling for one line, and which numbers may receive a code."""

from __future__ import annotations

import re
from functools import cache, lru_cache

import phonenumbers
from msgspec import Struct
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumberFormat, PhoneNumberType

from otp_app.core.errors import CountryNotAllowed, InvalidPhone

# ASCII only: phonenumbers itself would fold full-width digits, letters, extensions and invisible characters
# into one number, which makes as many spellings of one number as an attacker likes.
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_MAX_TEXT = 40
_SEPARATORS = str.maketrans("", "", " -.()")
_SEPARATOR = r"(?: +(?:- *)?|- *|\.)"
_CALLING_CODE = r"\+[1-9][0-9]{0,2}"
#: A number with grouped digits. A national 0 in brackets comes right after the calling code, and the last group has two
#: digits or more: a single one is an extension, or part of a fraction.
_GROUPED = re.compile(
    rf" *(?:{_CALLING_CODE}|\({_CALLING_CODE}\))(?:{_SEPARATOR}?\(0[0-9]*\)|[0-9]*)"
    rf"(?:{_SEPARATOR}?\([1-9][0-9]*\)|(?:{_SEPARATOR}|(?<=\)))[0-9]+)*(?<=[0-9][0-9]) *"
)
#: Groups of digits with nothing but one point between them, or two digits behind a point and a longer group.
_DECIMAL = re.compile(r" *\+[0-9]+\.[0-9]+ *|.*[0-9]{3}\.[0-9]{2} *")

#: Calling code -> how its lines with two international numbers are written, and the number that counts (decision 0029).
_ONE_NUMBER = {
    54: [(re.compile(r"\+54(?=[123][0-9]{9}\Z)"), "+549")],  # Argentina: the 9 of mobile phones
    55: [(re.compile(r"(\+55[1-9]{2})(?=[689][0-9]{7}\Z)"), r"\g<1>9")],  # Brazil: the 9 that came in until 2016
    52: [(re.compile(r"\+52(?:1|01|044|045)(?=[0-9]{10}\Z)"), "+52")],  # Mexico: prefixes that ended in 2019
    220: [  # the Gambia: what each operator's mobile numbers of seven digits got in front in 2026
        (re.compile(r"\+220(?=(?:[27][0-9]|4[015])[0-9]{5}\Z)"), "+22087"),
        (re.compile(r"\+220(?=(?:3[0-9]|5[0-489])[0-9]{5}\Z)"), "+22083"),
        (re.compile(r"\+220(?=(?:6[0-9]|8[4-7])[0-9]{5}\Z)"), "+22086"),
    ],
}

# A country's data would otherwise be read with its first number, behind a lock that a read that fails keeps for ever.
PhoneMetadata.load_all()  # 1.5 MiB

_NOTHING, _ANYTHING = "(?!)", re.compile("")  # patterns that match nowhere, and everywhere
_MIN_NATIONAL = 4  # digits behind the calling code; phonenumbers rejects some numbers with fewer

_MOBILE = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}
_NO_COUNTRY = "001"  # phonenumbers' region of satellite, freephone and other worldwide numbers
_TWILIO_TEST_PREFIX = "+1500555"  # Twilio's test numbers; their 500 area code is a personal one


class Phone(Struct, frozen=True):
    """A number in its one spelling."""

    e164: str
    country: str  # ISO 3166 alpha-2
    landline: bool

    @property
    def masked(self) -> str:
        """The number as it may be shown: its calling code and its last three digits."""
        return mask(self.e164)


def parse(text: str, countries: frozenset[str] = frozenset(), *, from_directory: bool = False) -> Phone:
    """Return the number in a text, if a code can be sent to its kind of number.

    `countries` (ISO 3166 alpha-2) is the list of those served; empty: all. A number `from_directory` is from the
    operator's own directory and need not be in use. Raises InvalidPhone where it is no mobile or fixed number in use,
    CountryNotAllowed for another country.
    """
    number = _read(text)
    country = phonenumbers.region_code_for_number(number)
    kind = PhoneNumberType.MOBILE if _is_mobile(number, country) else phonenumbers.number_type(number)
    if kind == PhoneNumberType.UNKNOWN and from_directory:
        return _not_in_use(number, countries)
    if kind == PhoneNumberType.UNKNOWN:
        raise InvalidPhone("phone_number is not a number in use")
    phone = Phone(_e164(number), country or _NO_COUNTRY, landline=kind == PhoneNumberType.FIXED_LINE)
    test_number = kind == PhoneNumberType.PERSONAL_NUMBER and phone.e164.startswith(_TWILIO_TEST_PREFIX)
    if phone.country == _NO_COUNTRY or not (kind in _MOBILE or phone.landline or test_number):
        raise InvalidPhone("phone_number is not a mobile number")  # premium, shared cost, satellite and the like
    if countries and phone.country not in countries:
        raise CountryNotAllowed("Numbers of this country are not served")
    return phone


def _not_in_use(number: phonenumbers.PhoneNumber, countries: frozenset[str]) -> Phone:
    """Return the number. Only its calling code says which countries it may be of: one has to be served."""
    if not phonenumbers.is_possible_number(number):
        raise InvalidPhone("phone_number has too few or too many digits for its country")
    regions = COUNTRY_CODE_TO_REGION_CODE.get(number.country_code or 0, ())
    if _NO_COUNTRY in regions:
        raise InvalidPhone("phone_number is not a mobile number")
    if countries and not countries & set(regions):
        raise CountryNotAllowed("Numbers of this country are not served")
    return Phone(_e164(number), _first_region(number), landline=False)


@lru_cache(4096)  # a check mostly names a number that a send has named
def spelling(text: str) -> str:
    """Return the one spelling (E.164) of a number, whether or not it is in use. Raises InvalidPhone."""
    return _e164(_read(text))


@lru_cache(4096)
def is_served(e164: str, countries: frozenset[str]) -> bool:
    """Return whether messages are sent to the country of a number that was accepted before; no countries: all are."""
    try:
        if countries:
            parse(e164, countries)
    except CountryNotAllowed:
        return False
    except InvalidPhone:
        pass  # by newer rules than those it was accepted by
    return True


@lru_cache(4096)
def country_of(e164: str) -> str:
    """Return the country (ISO 3166 alpha-2) of a number in its one spelling, as `parse` finds it."""
    number = _parsed(e164)
    return phonenumbers.region_code_for_number(number) or _first_region(number)


def _first_region(number: phonenumbers.PhoneNumber) -> str:
    return next(iter(COUNTRY_CODE_TO_REGION_CODE.get(number.country_code or 0, ())), _NO_COUNTRY)


def is_e164(text: str) -> bool:
    """Whether a text has the form of E.164; there may be no such number, and its one spelling may be another."""
    return _E164.fullmatch(text) is not None


def is_number(text: str) -> bool:
    """Whether a text is written as a number in international form; whether there is such a number is not checked."""
    return bool(_E164.fullmatch(text) or _E164.fullmatch(_ungrouped(text)))


@lru_cache(maxsize=1024)  # answers and log lines of one request show it several times
def mask(e164: str) -> str:
    """Hide a number: +14155552671 becomes +1*******671. One that is not known yet ("") stays so."""
    if not e164:
        return ""
    code = calling_code(e164)
    rest = e164[len(code) :]
    return f"{code}{'*' * (len(rest) - 3)}{rest[-3:]}"


def calling_code(e164: str) -> str:
    """Return the beginning of a number that names its country, with the plus; "+" where there is no such."""
    return "+" + _calling_digits(e164.removeprefix("+")[:3])


@lru_cache(1000)  # all that there are
def _calling_digits(first: str) -> str:
    return next((first[:n] for n in (1, 2, 3) if int(first[:n] or 0) in COUNTRY_CODE_TO_REGION_CODE), "")


def _read(text: str) -> phonenumbers.PhoneNumber:
    return _parsed(text if _E164.fullmatch(text) else _ungrouped(text))


def _parsed(digits: str) -> phonenumbers.PhoneNumber:
    if not _E164.fullmatch(digits):
        raise InvalidPhone("phone_number must be in E.164 form, such as +14155552671")
    try:
        number = _plain(digits) or phonenumbers.parse(digits, None)
    except phonenumbers.NumberParseException:
        raise InvalidPhone("phone_number must begin with a country calling code, such as +1 or +44") from None
    for written, counts in _ONE_NUMBER.get(number.country_code or 0, ()):
        number = phonenumbers.parse(written.sub(counts, _e164(number)), None)
    # Behind two zeros phonenumbers finds a number that it reads as yet another one: each has to lead to itself.
    if (spelled := _e164(number)) != digits and _e164(_parsed(spelled)) != spelled:
        raise InvalidPhone("phone_number has a 0 too many behind its country calling code")
    return number


def _plain(digits: str) -> phonenumbers.PhoneNumber | None:
    """Return what phonenumbers reads of E.164, at a tenth of the cost; None where a national prefix may be in it."""
    code = next((digits[1:n] for n in (2, 3, 4) if int(digits[1:n]) in COUNTRY_CODE_TO_REGION_CODE), "")
    national = digits[1 + len(code) :]
    if not code or len(national) < _MIN_NATIONAL or national[0] == "0" or _national_prefixes(int(code)).match(national):
        return None
    return phonenumbers.PhoneNumber(country_code=int(code), national_number=int(national))


def _is_mobile(number: phonenumbers.PhoneNumber, country: str | None) -> bool:
    """Whether phonenumbers surely calls a number of this country a mobile one; found at a tenth of its own cost."""
    lengths, mobile = _mobiles(number.country_code or 0, country or _NO_COUNTRY)
    national = phonenumbers.national_significant_number(number)
    return len(national) in lengths and mobile.fullmatch(national) is not None


@cache  # there are 250 countries
def _mobiles(code: int, country: str) -> tuple[frozenset[int], re.Pattern[str]]:
    """Return lengths and pattern of what is a mobile number in a country, and none of the kinds that come before it."""
    known = PhoneMetadata.metadata_for_region_or_calling_code(code, country)
    mobile, general = (known.mobile, known.general_desc) if known else (None, None)
    if known is None or known.same_mobile_and_fixed_line_pattern or not (mobile and general):
        return frozenset(), _ANYTHING
    before = (known.premium_rate, known.toll_free, known.shared_cost, known.voip, known.personal_number, known.pager,
              known.uan, known.voicemail, known.fixed_line)  # as phonenumbers looks at them
    others = [f"(?:{kind.national_number_pattern})" for kind in before if kind and kind.national_number_pattern]
    lengths = frozenset(general.possible_length) & frozenset(mobile.possible_length)
    here = rf"(?=(?:{general.national_number_pattern})\Z)(?:{mobile.national_number_pattern})"
    return lengths, re.compile(rf"(?!(?:{'|'.join(others) or _NOTHING})\Z){here}")


@cache  # there are 200 calling codes
def _national_prefixes(code: int) -> re.Pattern[str]:
    """Return what phonenumbers may take from the beginning of a national number."""
    known = PhoneMetadata.metadata_for_region_or_calling_code(code, COUNTRY_CODE_TO_REGION_CODE[code][0])
    return re.compile(known.national_prefix_for_parsing or _NOTHING) if known else _ANYTHING


def _ungrouped(text: str) -> str:
    """Return the number without what groups its digits, "" where that could change which number is meant."""
    if len(text) > _MAX_TEXT or not _GROUPED.fullmatch(text) or _is_decimal(text):
        return ""
    return text.translate(_SEPARATORS)


def _is_decimal(text: str) -> bool:
    """Whether a point in the text may begin a fraction, as where the digits before it are a number by themselves."""
    if _DECIMAL.fullmatch(text):
        return True
    whole, *groups = text.split(".")
    return len(groups) == 1 and _is_possible(whole.translate(_SEPARATORS))


def _is_possible(digits: str) -> bool:
    try:
        return phonenumbers.is_possible_number(_parsed(digits))
    except InvalidPhone:
        return False


def _e164(number: phonenumbers.PhoneNumber) -> str:
    return str(phonenumbers.format_number(number, PhoneNumberFormat.E164))
