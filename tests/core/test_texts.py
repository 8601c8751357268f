"""The text that people read."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otp_app.core.texts import LANGUAGE_TAG, LOCALE, Texts, template_fault

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
