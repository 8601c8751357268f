"""The texts that the server has in other languages."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace

import phonenumbers
import pytest

from otp_app.core.languages import BY_COUNTRY, PLAIN, WORDINGS, templates
from otp_app.core.segments import size_of
from otp_app.core.texts import LANGUAGE_TAG, Texts, template_fault

CODE = "1234567890"  # the longest
BUILT_IN = Texts(built_in=PLAIN)
ALL = [(tag, named, warning) for tag in WORDINGS for named in (False, True) for warning in (False, True)]
RIGHT_TO_LEFT = ("ar", "fa", "he")


def written(tag: str, *, named: bool = True, warning: bool = True) -> str:
    """The text in a language, for the longest code and a name of moderate length."""
    texts = Texts(built_in=templates(named=named, warning=warning), app_name="Corner Store")
    return texts.render(CODE, 600, tag)


def test_there_are_twelve_languages_and_more_beside_english() -> None:
    spoken = {"ar", "de", "es", "fr", "he", "hi", "id", "it", "ja", "nl", "pt", "ru", "tr", "vi", "zh"}
    assert spoken <= WORDINGS.keys()


@pytest.mark.parametrize(("tag", "named", "warning"), ALL)
def test_a_text_takes_one_sms(tag: str, named: bool, warning: bool) -> None:
    """With the longest code, a name of twelve characters, and the warning not to share the code."""
    text = written(tag, named=named, warning=warning)
    assert size_of(text).segments == 1, text
    assert ("Corner Store" in text) is named


@pytest.mark.parametrize("tag", WORDINGS)
def test_a_text_and_the_line_of_a_browser_take_one_sms(tag: str) -> None:
    text = replace(BUILT_IN, origin="login.example.com").render(CODE, 600, tag)
    assert text.splitlines()[1:] == ["", f"@login.example.com #{CODE}"]
    assert size_of(text).segments == 1, text


@pytest.mark.parametrize(("tag", "named", "warning"), ALL)
def test_a_code_is_found_in_every_text(tag: str, named: bool, warning: bool) -> None:
    """It is the only run of digits, in ASCII; a blank is before it, and no letter or digit right behind it."""
    text = written(tag, named=named, warning=warning)
    assert re.findall(r"\d+", text) == [CODE]
    assert re.search(rf" {CODE}(?!\w)", text)


@pytest.mark.parametrize(("tag", "named", "warning"), ALL)
def test_a_text_has_no_characters_that_nobody_sees(tag: str, named: bool, warning: bool) -> None:
    """None for the direction either: programs that look for the code, and people who copy it, would take them along."""
    text = written(tag, named=named, warning=warning)
    assert {char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp")} == set()
    assert unicodedata.normalize("NFC", text) == text


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("tag", RIGHT_TO_LEFT)
def test_a_text_from_right_to_left_begins_with_its_own_script(tag: str, named: bool) -> None:
    """The first letter sets the direction of a paragraph on phones: the name of the app must not."""
    text = written(tag, named=named)
    letter = next(char for char in text if unicodedata.bidirectional(char) in ("L", "R", "AL"))
    assert unicodedata.bidirectional(letter) in ("R", "AL")


@pytest.mark.parametrize(("tag", "named", "warning"), ALL)
def test_a_text_is_a_template_like_those_of_operators(tag: str, named: bool, warning: bool) -> None:
    assert template_fault(templates(named=named, warning=warning)[tag]) is None
    assert LANGUAGE_TAG.fullmatch(tag)
    assert tag == tag.lower()


@pytest.mark.parametrize(("locale", "start"), [
    ("es", "Tu código"), ("es-MX", "Tu"), ("pt_BR.UTF-8", "O seu"), ("de-Latn-DE-1996", "Ihr"), ("AR-eg", "رمز"),
    ("iw_IL", "קוד"), ("in_ID", "Kode"), ("cmn-Hant-TW", "您的驗"), ("zh_TW", "您的驗"), ("zh-HK", "您的驗"),
    ("zh", "您的验"), ("zh-Hans-HK", "您的验"), ("zh_TW_#Hant", "您的驗"), ("en", "Your"), ("en-IN", "Your"),
    ("sw", "Your"), ("", "Your"), ("*", "Your"), ("C", "Your"), ("i-klingon", "Your"), ("x-es", "Your"),
    ("fr-x-a-b", "Votre"), ("fr-u-ca-gregory-x-y", "Votre"),
])  # fmt: skip
def test_a_locale_selects_a_text_of_the_server(locale: str, start: str) -> None:
    """Shortened from the right, as one of the operator's; names that Java still writes are those of today."""
    assert BUILT_IN.render(CODE, 300, locale).startswith(start)


@pytest.mark.parametrize(("country", "locale", "start"), [
    ("MX", "", "Tu"), ("DE", "", "Ihr"), ("BR", "", "O seu"), ("TW", "", "您的驗"), ("CN", "", "您的验"),
    ("EG", "", "رمز"), ("US", "", "Your"), ("GB", "", "Your"), ("IN", "", "Your"), ("CH", "", "Your"),
    ("", "", "Your"), ("001", "", "Your"),
    ("DE", "en", "Your"), ("DE", "en-US", "Your"), ("DE", "tr-TR", "Kodunuz"), ("DE", "sw", "Ihr"), ("DE", "C", "Ihr"),
])  # fmt: skip
def test_without_a_locale_that_fits_the_country_of_the_number_selects_it(country: str, locale: str, start: str) -> None:
    assert BUILT_IN.render(CODE, 300, locale, country).startswith(start)


def test_texts_of_the_operator_come_first() -> None:
    """For the language of the locale or of the country; without one of the server's, the default is for all others."""
    own = replace(BUILT_IN, by_locale={"de": "Dein Code {code}"})
    asked = [own.render("1", 300, locale, country) for locale, country in (("de-AT", ""), ("", "DE"), ("sw", "DE"))]
    assert asked == ["Dein Code 1"] * 3
    assert own.render("1", 300, "fr", "DE") == "Votre code est : 1"
    alone = replace(own, built_in={}, default="Shop {code}")
    assert alone.render("1", 300, "de") == "Dein Code 1"
    assert {alone.render("1", 300, locale, "DE") for locale in ("", "fr", "sw")} == {"Shop 1"}


def test_the_languages_of_countries_are_those_of_texts_and_the_countries_those_of_numbers() -> None:
    assert set(BY_COUNTRY.values()) <= WORDINGS.keys()
    assert BY_COUNTRY.keys() <= phonenumbers.SUPPORTED_REGIONS
    assert not {"US", "GB", "IN", "NG", "AU", "CA", "ZA", "CH", "BE"} & BY_COUNTRY.keys()


def test_each_country_is_named_once() -> None:
    from otp_app.core import languages

    named = " ".join(languages._COUNTRIES.values()).split()
    assert len(named) == len(set(named)) == len(BY_COUNTRY)
