"""One spelling for one number, and which numbers get a code."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from otp_app.core.errors import CountryNotAllowed, InvalidPhone, OtpError
from otp_app.core.phone import _is_mobile, _plain, country_of, is_e164, mask, parse, spelling

US = "+14155552671"


@pytest.mark.parametrize(
    ("text", "e164"),
    [
        (US, US),
        (" +1 (415) 555-2671 ", US),
        ("+1.415.555.2671", US),
        ("(+1)4155552671", US),
        ("+1-415-555-2671", US),
        ("+1 415.555.2671", US),
        ("+1 (415) 555.2671", US),
        ("+1 (415) 555-26.71", US),
        ("+1 - 415 - 555 - 2671", US),
        ("+1  415  555  2671", US),
        ("+1(415)555-2671", US),
        ("(+1) (415) 555-2671", US),
        ("+33.6.12.34.56.00", "+33612345600"),
        ("(+44) (0)7624 123456", "+447624123456"),
        ("+39 (06) 1234 5678", "+390612345678"),
        ("+447624123456", "+447624123456"),
        ("+4407624123456", "+447624123456"),  # the national 0 is no part of the number
        ("+44 (0)7624 123456", "+447624123456"),
        ("+33 0 6 12 34 56 78", "+33612345678"),
        ("+5491123456789", "+5491123456789"),
        ("+54 11 15 2345 6789", "+5491123456789"),
        ("+52 1 (55) 1234 5678", "+525512345678"),
        ("+393123456789", "+393123456789"),
        ("+15005550006", "+15005550006"),  # Twilio's magic number
    ],
)
def test_every_spelling_is_one_number(text: str, e164: str) -> None:
    assert (parse(text).e164, spelling(text)) == (e164, e164)


@pytest.mark.parametrize(
    ("texts", "e164"),
    [
        (
            ["+54 11 2345 6789", "+54 9 11 2345 6789", "+54 11 15 2345-6789", "+54 (0)11 2345 6789", "+541123456789"],
            "+5491123456789",
        ),
        (["+54 2317 41-2345", "+54 9 2317 41-2345"], "+5492317412345"),  # an area code of four digits
        (["+54 11 0000 0000", "+54 9 11 0000 0000"], "+5491100000000"),  # not in use, but a directory may have it
        (["+52 55 1234 5678", "+52 1 55 1234 5678", "+52 (1) 55 1234 5678"], "+525512345678"),
        (["+52 01 55 1234 5678", "+52 044 55 1234 5678", "+52 045 55 1234 5678"], "+525512345678"),
        (["+52 00 0000 0000", "+52 1 00 0000 0000"], "+520000000000"),
        (["+55 31 8765 4321", "+55 31 9 8765 4321"], "+5531987654321"),
        (["+55 11 6765 4321", "+55 (0) 11 6765 4321", "+55 11 96765 4321"], "+5511967654321"),
        (["+220 712 3456", "+220 87 712 3456"], "+220877123456"),
        (["+220 201 2345", "+220 87 201 2345"], "+220872012345"),
        (["+220 401 2345", "+220 87 401 2345"], "+220874012345"),
        (["+220 301 2345", "+220 83 301 2345"], "+220833012345"),
        (["+220 531 2345", "+220 83 531 2345"], "+220835312345"),
        (["+220 601 2345", "+220 86 601 2345"], "+220866012345"),
    ],
)
def test_a_line_with_two_numbers_counts_as_one(texts: list[str], e164: str) -> None:
    """Argentina's mobile 9, Mexico's old 1, the eight digits of Brazil's mobile phones and the seven of the Gambia's
    are no second number with codes and limits of its own.
    """  # fmt: skip
    assert {spelling(text) for text in texts} == {e164}
    assert {parse(text, from_directory=True).e164 for text in texts} == {e164}


@pytest.mark.parametrize("text", ["+54001123456789", "+54 (00)11 2345 6789", "+490015112345678"])
def test_a_spelling_leads_to_one_number_and_not_over_it_to_another(text: str) -> None:
    """A second 0 gave Argentina's lines a second number after all, whose own spelling was the first one's."""
    with pytest.raises(InvalidPhone):
        spelling(text)
    with pytest.raises(InvalidPhone):
        parse(text, from_directory=True)


@pytest.mark.parametrize("text", [
    *("+548001234567", "+5211234567", "+521551234567", "+52115512345678", "+5411234567890"),
    *("+551132345678", "+551177654321", "+55118765432", "+551187654321000", "+55987654321", "+551087654321"),
    *("+2204221234", "+2205661234", "+2209012345", "+22071234567", "+220712345"),
])  # fmt: skip
def test_only_what_surely_is_the_same_line_is_one_number(text: str) -> None:
    """A freephone number of Argentina, fixed lines of Brazil and of the Gambia, mobile phones that kept their digits,
    and numbers of another length are left as they are.
    """  # fmt: skip
    assert spelling(text) == text


NOT_A_SPELLING = [
    "",
    "+",
    "++14155552671",
    "14155552671",
    "0014155552671",
    "+0123456789",
    "+12",
    "+1234567890123456",
    "tel:+14155552671",
    "whatsapp:+14155552671",
    "+14155552671 ext 5",
    "+14155552671;ext=5",
    "+14155552671x5",
    "+1415555CALL",
    "+14155552671\n",
    "+14155552671\0",
    "\t+14155552671",
    "+1\u00a04155552671",  # no-break space
    "+1415\u200b5552671",  # zero-width space
    "\u202a+14155552671",  # direction mark
    "+1415555267\u0661",  # Arabic digit
    "+1415555267\uff11",  # full-width digit
    "\uff0b14155552671",  # full-width plus
    "+14155552671\ud800",  # half of a surrogate pair
    "+1/415/5552671",
    "+1,4155552671",
    "{'$ne': 1}",
    "+14155552671,+14155552672",
    "+1" + " " * 60 + "4155552671",
    "+" * 1_000_000,
    "1" * 1_000_000,
    "+999123456789",  # no such country
]


@pytest.mark.parametrize("read", [parse, spelling])
@pytest.mark.parametrize("text", NOT_A_SPELLING, ids=lambda text: ascii(text[:24]))
def test_what_is_no_number_is_refused(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(InvalidPhone):
        read(text)


AUSTRIAN = "+436641234567"  # a digit more, and it is somebody else's number, in use as well
DECIMALS = [
    *(f"{AUSTRIAN}{end}" for end in (".0", ".00", ".000", ".5", ",0", ",00", ".", ",", ". ", "e0", "E+0", "0e-1")),
    *("+43 664 1234567.0", "+43 664 1234567.00", "+43 664 1234567.000"),
    *("+43.664.1234567.0", "+43.664.1234567.00", "+1.415.555.2671.0"),
    *("+4366.41234567", "+43.6641234567", "+1.4155552671", "+1415555267.1", "+1415555.2671"),
    *("+1.4155552671E10", "+1.41556E+10", "+4.36641E+11", "+14,155,552,671", "+14,155,552,671.00", "+1'415'555'2671"),
]
NO_GROUPS = [
    *(f"{AUSTRIAN}{end}" for end in ("-", "-0", " 0", " - 0", "-1", "(0)", " (12)", "()")),
    *("+43--6641234567", "+43..6641234567", "+43-.6641234567", "+43. 664.1234567", "+-436641234567", "+ 436641234567"),
    *(" .+436641234567", "-+436641234567", "(+436641234567)", "(+43 6641234567", "+43) 6641234567"),
    *("+43 ((664)) 1234567", "+43 664 (0)1234567", "+43664(0)1234567", "+(43)6641234567", "(43)6641234567"),
]


@pytest.mark.parametrize(
    "read", [parse, partial(parse, from_directory=True), spelling], ids=["parse", "from_directory", "spelling"]
)
@pytest.mark.parametrize("text", DECIMALS + NO_GROUPS)
def test_separators_never_change_which_number_is_meant(read: Callable[[str], object], text: str) -> None:
    """What a spreadsheet makes of a number, and what may be an extension, is no number: nothing is joined."""
    with pytest.raises(InvalidPhone):
        read(text)


def test_a_number_grouped_as_its_country_does_is_read_in_every_country() -> None:
    for region in phonenumbers.SUPPORTED_REGIONS:
        for kind in (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE):
            if number := phonenumbers.example_number_for_type(region, kind):
                grouped = phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
                e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
                spellings = {grouped, grouped.replace(" ", "-"), f" {grouped} ", e164}
                assert {spelling(text) for text in spellings} == {spelling(e164)}


@pytest.mark.parametrize("text", ["+4479111234567", "+999123456789", "tel:+919876543210"])
def test_a_refusal_does_not_repeat_the_number(text: str) -> None:
    with pytest.raises(InvalidPhone) as refusal:
        parse(text)
    assert text[-7:] not in str(refusal.value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("premium", "+19005551234"),
        ("freephone", "+18005550199"),
        ("personal", "+15002345678"),
        ("voip", "+445612345678"),
        ("worldwide freephone", "+80012345678"),
        ("satellite", "+870773111632"),
        ("satellite", "+881612345678"),
        ("worldwide", "+882161234567"),
        ("worldwide", "+883510001234"),
        ("not in use", "+11111111111"),
        ("too short", "+1234567"),
        ("too long", "+4479111234567"),
    ],
)
def test_kinds_that_never_get_a_code(kind: str, text: str) -> None:
    with pytest.raises(InvalidPhone):
        parse(text)


@pytest.mark.parametrize(("text", "landline"), [("+442079460958", True), ("+390612345678", True), (US, False)])
def test_a_fixed_line_is_not_a_mobile(text: str, landline: bool) -> None:
    assert parse(text).landline is landline


def test_only_listed_countries_are_served() -> None:
    assert parse(US, frozenset({"US", "IN"})).country == "US"
    with pytest.raises(CountryNotAllowed):
        parse("+919876543210", frozenset({"US"}))


def test_two_countries_with_one_calling_code_are_two() -> None:
    assert parse("+16135550123").country == "CA"
    with pytest.raises(CountryNotAllowed):
        parse("+16135550123", frozenset({"US"}))


def test_a_listed_number_need_not_be_in_use() -> None:
    """It is from the operator's own directory; of what kind it is, and where, matters all the same."""
    assert parse("+11111111111", from_directory=True).e164 == "+11111111111"
    assert parse("+11111111111", frozenset({"US"}), from_directory=True).country == "US"
    with pytest.raises(CountryNotAllowed):
        parse("+11111111111", frozenset({"DE"}), from_directory=True)
    with pytest.raises(CountryNotAllowed):
        parse("+4915112345678", frozenset({"US"}), from_directory=True)
    for premium_or_satellite in ("+19005551234", "+88299999999"):
        with pytest.raises(InvalidPhone):
            parse(premium_or_satellite, from_directory=True)


def test_a_number_that_is_not_in_use_has_a_spelling() -> None:
    assert spelling("+1 111 111 1111") == "+11111111111"


@pytest.mark.parametrize(
    ("e164", "masked"),
    [
        (US, "+1*******671"),
        ("+919876543210", "+91*******210"),
        ("+35312345678", "+353*****678"),
        ("+6831234", "+683*234"),
        ("+15005550006", "+1*******006"),
    ],
)
def test_a_masked_number_shows_its_calling_code_and_three_digits(e164: str, masked: str) -> None:
    assert mask(e164) == masked


def test_the_spelling_of_a_number_in_use_is_its_own_spelling() -> None:
    """A ledger's number, read again (as a resend does), names the same ledger."""
    chance = random.Random(1)
    starts = ["+1415555", "+44", "+4407", "+39", "+5411", "+521", "+91", "+33", "+330", "+49151", "+7916", "+861"]
    for _ in range(3000):
        text = chance.choice(starts) + "".join(chance.choices("0123456789", k=chance.randint(4, 9)))
        try:
            phone = parse(text)
        except OtpError:
            continue
        assert parse(phone.e164) == phone
        assert phone.masked.endswith(phone.e164[-3:])
        assert len(phone.masked) == len(phone.e164)


def test_the_country_of_a_number_is_the_one_that_it_was_read_with() -> None:
    """Also of one that is not in use, of which its calling code says all."""
    for example in examples():
        phone = parse(phonenumbers.format_number(example, PhoneNumberFormat.E164), from_directory=True)
        assert country_of(phone.e164) == phone.country


def test_the_country_of_a_number_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each end of a verification asks for it, and the operator's pages do."""
    regions = iter(["US"])
    monkeypatch.setattr(phonenumbers, "region_code_for_number", lambda _: next(regions))
    assert [country_of("+14155550147"), country_of("+14155550147")] == ["US", "US"]


def test_a_plain_number_is_read_as_phonenumbers_reads_it() -> None:
    """Numbers of each country and kind, with each digit in the place of each of their first ones, and before it."""
    read = 0
    for example in examples():
        at = len(f"+{example.country_code}")
        whole = phonenumbers.format_number(example, PhoneNumberFormat.E164)
        for place, digit, rest in product(range(at, at + 3), "0123456789", (0, 1)):
            text = whole[:place] + digit + whole[place + rest :]
            if is_e164(text) and (found := _plain(text)):
                read += 1
                assert found == phonenumbers.parse(text, None), text
    assert read > 10_000


@pytest.mark.slow
def test_a_mobile_number_is_one_to_phonenumbers() -> None:
    """Numbers of each country, with each digit in the place of each of their first ones, longer and shorter ones; most
    are found without its look at all other kinds.
    """  # fmt: skip
    found = {True: 0, False: 0}
    for example in examples():
        at, whole = len(f"+{example.country_code}"), phonenumbers.format_number(example, PhoneNumberFormat.E164)
        for place, digit, end in product(range(at, at + 4), "0123456789", ("", "1", None)):
            text = whole[:place] + digit + (whole[place + 1 :] + end if end is not None else whole[place + 1 : -1])
            number = phonenumbers.parse(text, None)
            is_mobile = phonenumbers.number_type(number) == PhoneNumberType.MOBILE
            quick = _is_mobile(number, phonenumbers.region_code_for_number(number))
            assert is_mobile or not quick, text
            found[quick] += is_mobile
    assert found[True] > 5_000
    assert found[False] == 0


def examples() -> Iterator[phonenumbers.PhoneNumber]:
    kinds = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE)
    found = (phonenumbers.example_number_for_type(region, kind)
             for region in sorted(phonenumbers.SUPPORTED_REGIONS) for kind in kinds)
    return filter(None, found)
