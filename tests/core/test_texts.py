"""The text that people read."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otp_app.core.languages import PLAIN
from otp_app.core.texts import APP_HASH, LANGUAGE_TAG, LOCALE, Texts, is_for_apps, template_fault

TEXTS = Texts(
    default="{code} is your {app} code, {minutes} min",
    by_locale={
        "es": "Tu código: {code}", "pt-br": "Seu código: {code}", "zh": "验证码 {code}", "zh-hant": "驗證碼 {code}",
    },
    app_name="Shop",
)


def test_the_default_text_is_seed_003s() -> None:
    assert Texts().render("012345", 300) == "Your OTP is: 012345"


@pytest.mark.parametrize(
    ("locale", "start"),
    [
        ("", "012345 is"), ("es", "Tu"), ("ES", "Tu"), ("es-MX", "Tu"), ("pt-BR", "Seu"), ("pt", "0123"),
        ("xx", "0123"), ("es-u-ms-metric", "Tu"), ("es-419-u-fw-mon-mu-celsius", "Tu"), ("es-x-a-b", "Tu"),
        ("pt_BR", "Seu"), ("pt_BR.UTF-8", "Seu"), ("pt-BR-x-y", "Seu"), ("es@euro", "Tu"),  # as POSIX writes them
        ("zh-Hant-TW", "驗證碼"), ("zh-Hans-CN", "验证码"), ("zh-hant-u-nu-latn", "驗證碼"), ("zh-H", "验证码"),
        ("C", "0123"), ("POSIX", "0123"), ("*", "0123"), ("i-klingon", "0123"), ("x-es", "0123"), ("-", "0123"),
        ("zh_TW_#Hant", "驗證碼"), ("zh__#Hant", "驗證碼"), ("zh_CN_#Hans", "验证码"), ("zh_TW_#Hant_x-java", "驗證碼"),
        ("pt_BR_#u-nu-latn", "Seu"), ("zh_#", "验证码"), ("#Hant", "0123"),  # as Java writes them
        ("es_ES@rg=mxzzzz", "Tu"), ("pt_BR@calendar=gregorian;numbers=latn", "Seu"), ("es;q=1", "Tu"),  # as ICU, so iOS
        ("e", "0123"), ("-es", "0123"), ("es-", "Tu"), ("@es", "0123"),
    ],
)  # fmt: skip
def test_a_text_is_looked_up_from_the_whole_tag_to_its_language(locale: str, start: str) -> None:
    """RFC 4647, section 3.4; a wish that fits no text gets the default one."""
    assert LOCALE.fullmatch(locale) or not locale
    assert TEXTS.render("012345", 300, locale).startswith(start)


@pytest.mark.parametrize(("ttl", "minutes"), [(300, 5), (299.4, 5), (60, 1), (10, 1), (0, 1), (600, 10)])
def test_the_minutes_are_what_is_left_of_the_life(ttl: float, minutes: int) -> None:
    assert TEXTS.render("012345", ttl).endswith(f"{minutes} min")


def test_the_origin_and_the_code_are_the_last_line() -> None:
    assert Texts(origin="shop.example").render("012345", 300).splitlines()[-1] == "@shop.example #012345"


HASH = "FA+9qCX9VSu"
RETRIEVED = re.compile(r"(?s).*\b123456\b.*\n\nFA\+9qCX9VSu\Z")


@pytest.mark.parametrize("app_hash", [HASH, "AAAAAAAAAAA", "a1+/a1+/a1+", "00000000000"])
def test_what_android_names_an_app_by(app_hash: str) -> None:
    assert APP_HASH.fullmatch(app_hash)


@pytest.mark.parametrize("text", ["", HASH[1:], HASH + "a", HASH + "\n", "FA-9qCX9VSu", "FA9qCX9VS\u00e9u"])
def test_what_names_no_app(text: str) -> None:
    assert not APP_HASH.fullmatch(text)


def test_a_message_for_an_app_ends_with_its_hash() -> None:
    assert Texts().render("123456", 300, app_hash=HASH) == f"Your OTP is: 123456\n\n{HASH}"


def test_a_message_for_an_app_has_no_line_for_browsers() -> None:
    """Both would have to be the last one, so the request decides."""
    bound = Texts(origin="shop.example")
    assert bound.render("123456", 300, app_hash=HASH) == f"Your OTP is: 123456\n\n{HASH}"
    assert bound.render("123456", 300).endswith("\n\n@shop.example #123456")


@pytest.mark.parametrize(("template", "whole"), [
    ("{code} " + "x" * 120, True), ("{code} " + "x" * 121, False),  # 140 bytes
    ("{code} ó" + "x" * 49, True), ("{code} ó" + "x" * 50, False),  # 70 characters of UCS-2
    ("{code} " + "я" * 50, True), ("{code} " + "я" * 51, False),
    ("{code} " + "字" * 40, True), ("{code} " + "字" * 41, False),  # three bytes each in UTF-8
    ("{code} " + "{{" * 120, False),  # two septets each in GSM-7
], ids=ascii)  # fmt: skip
def test_a_text_that_an_app_would_not_read_is_a_short_one(template: str, whole: bool) -> None:
    """The SMS Retriever reads 140 bytes. Whether of UTF-8 or as they are sent: each is enough to give up the words."""
    text = Texts(default=template).render("123456", 300, app_hash=HASH)
    assert RETRIEVED.fullmatch(text)
    assert (text != f"Your OTP is: 123456\n\n{HASH}") is whole
    assert is_for_apps(text)


@pytest.mark.parametrize(("locale", "country", "start"), [
    ("", "US", "Your OTP is: "), ("es", "US", "Tu código es: "), ("", "EG", "رمز التحقق الخاص بك: "),
    ("sw", "", "Your OTP is: "),
])  # fmt: skip
def test_a_short_text_is_in_the_language_of_the_reader(locale: str, country: str, start: str) -> None:
    long = Texts(default="{code} " + "x" * 200, by_locale={"es": "{code} " + "y" * 200})
    assert long.render("123456", 300, locale, country, HASH).startswith(start)


@pytest.mark.parametrize("locale", ["en", *PLAIN])
def test_every_short_text_is_short_enough_for_an_app(locale: str) -> None:
    """With the longest code."""
    text = Texts(default="{code} " + "x" * 200).render("1234567890", 300, locale, app_hash=HASH)
    assert is_for_apps(text)
    assert "1234567890" in text


@given(st.text(max_size=200), st.sampled_from(["", "es", "ar", "zh"]))
@settings(max_examples=200, derandomize=True, database=None, deadline=None)
def test_a_code_for_an_app_is_never_lost(words: str, locale: str) -> None:
    template = words.replace("{", "{{").replace("}", "}}") + " {code}"
    text = Texts(default=template).render("123456", 300, locale, app_hash=HASH)
    assert "123456" in text
    assert text.endswith(f"\n\n{HASH}")
    assert is_for_apps(text)


@pytest.mark.parametrize("text", ["{code}", "{app}: {code} ({minutes})", "{{}} {code}", "100 % {code}"])
def test_good_templates(text: str) -> None:
    assert template_fault(text) is None


@pytest.mark.parametrize(
    "text",
    ["", "no code", "{app}", "{code", "code}", "{}", "{0}", "{code} {user}", "{code.__class__}", "{code[0]}",
     "{code} {app.__init__.__globals__}", "\ud83d {code}"],
)  # fmt: skip
def test_faulty_templates_are_reported(text: str) -> None:
    assert template_fault(text)


@pytest.mark.parametrize(
    "text", ["{code:d}", "{code:x}", "{code!x}", "{code} {minutes:s}", "{code:{minutes}q}", "{code:,}"]
)
def test_a_template_that_cannot_be_rendered_is_reported_before_the_first_send(text: str) -> None:
    assert template_fault(text)


@given(st.text(alphabet="{}codeap minuts:!rsd0", max_size=20) | st.text(max_size=12))
@settings(max_examples=300, derandomize=True, database=None, deadline=None)
def test_whatever_passes_as_a_template_can_be_rendered(text: str) -> None:
    if template_fault(text) is None:
        assert "12345" in Texts(default=text).render("012345", 300)


@pytest.mark.parametrize("tag", ["en", "pt-BR", "pt_BR", "zh-Hant-TW", "fil", "es-u-ms-metric"])
def test_a_text_can_be_stored_under_a_language_tag(tag: str) -> None:
    assert LANGUAGE_TAG.fullmatch(tag)


@pytest.mark.parametrize(
    "tag", ["", "e", "english", "en-", "en.UTF-8", "../etc", "en\n", "\u00e9n", string.ascii_letters], ids=ascii
)
def test_a_text_cannot_be_stored_under_anything_else(tag: str) -> None:
    assert not LANGUAGE_TAG.fullmatch(tag)
