"""The text of a message: a template per language with a closed set of values."""

from __future__ import annotations

import re
import string
from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from otp_app.core.languages import BY_COUNTRY, PLAIN
from otp_app.core.segments import size_of

#: What a caller may ask for: the characters of language tags (RFC 5646), of ranges (`*`, RFC 4647), and of the names
#: that POSIX (`pt_BR.UTF-8`), Java (`zh_TW_#Hant`) and ICU, so iOS (`en_US@rg=dezzzz;calendar=buddhist`), have for
#: locales. A locale that fits no text gets the default one, so nothing more is checked; RFC 5646 bounds no tag.
LOCALE = re.compile(r"[A-Za-z0-9*_.@#=;-]{1,1000}")
ENOUGH_OF_IT = 100  # characters of a locale: no text is stored under a longer tag, and it is shortened from the end
LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8}){0,10}")  # what a text can be stored under
SCRIPT = 4  # letters of a script subtag, such as Hant
#: What Android's SMS Retriever names an app by: the beginning of a hash in base64, as the last word of a message.
APP_HASH = re.compile(r"[A-Za-z0-9+/]{11}")
MOST_FOR_APPS = 140  # bytes of a message that it reads
ON_ITS_WAY = 5.0  # seconds by which a code may be called older than it is, so that 300 are five minutes
VALUES = ("code", "app", "minutes")
#: Names of languages that their users' programs still write, Java's and so Android's above all -> those of today.
_RENAMED = {"cmn": "zh", "in": "id", "iw": "he"}
_HALF = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of messages. Only the operator writes templates; callers choose a language at most."""

    default: str = "Your OTP is: {code}"
    by_locale: Mapping[str, str] = field(default_factory=dict)  # language tag in lower case -> the operator's template
    app_name: str = ""
    origin: str = ""  # host that the code is bound to in the last line, for browsers that fill it in
    #: The same for templates of the server itself, beside a default in English. Without any, the default is for all who
    #: are given no text of the operator's by their locale.
    built_in: Mapping[str, str] = field(default_factory=dict)

    def render(self, code: str, ttl: float, locale: str = "", country: str = "", app_hash: str = "") -> str:
        """Return the whole text; `ttl` is the code's life in seconds that is left, shown in whole minutes.

        `country` (ISO 3166) is that of the number: its language is used where the locale names none that there is. With
        an `app_hash` the last line is for that app and not for browsers, and a text that is too long then is short.
        """
        minutes = max(int((ttl + ON_ITS_WAY) // 60), 1)
        text = self._template(locale, country).format(code=code, app=self.app_name, minutes=minutes)
        if app_hash:
            whole = for_app(text, app_hash)
            return whole if is_for_apps(whole) else for_app(_SHORT.render(code, ttl, locale, country), app_hash)
        return f"{text}\n\n@{self.origin} #{code}" if self.origin else text

    def _template(self, locale: str, country: str) -> str:
        if tag := best_tag(locale, self.by_locale):
            return self.by_locale[tag]
        if not self.built_in:
            return self.default
        if tag := best_tag(locale, self.built_in):
            return self.built_in[tag]
        own = BY_COUNTRY.get(country, "")
        if not own or best_tag(locale, ("en",)):
            return self.default
        tag = best_tag(own, self.by_locale)
        return self.by_locale[tag] if tag else self.built_in[own]


_SHORT = Texts(built_in=PLAIN)


def for_app(text: str, app_hash: str) -> str:
    """Return the text with the last line by which an Android app finds it."""
    return f"{text}\n\n{app_hash}"


def is_for_apps(text: str) -> bool:
    """Return whether a text is short enough for the SMS Retriever, whose bytes may be those of the SMS or of UTF-8."""
    return max(size_of(text).octets, len(text.encode())) <= MOST_FOR_APPS


def best_tag(locale: str, tags: Container[str]) -> str:
    """Return the one of these tags, which are in lower case, that fits a locale best; "" where none does.

    As RFC 4647, section 3.4 says: the locale is shortened from the right until there is a tag for it.
    """
    tag = language_tag(locale)
    while tag and tag not in tags:
        tag = _shortened(tag)
    return tag


def language_tag(locale: str) -> str:
    """Return a locale's language tag in lower case, without what only names of locales have: `pt_BR.UTF-8` is `pt-br`.

    Java puts the script last: `zh_TW_#Hant` is `zh-hant-tw`.
    """
    tag = re.split("[.@;]", locale[:ENOUGH_OF_IT], maxsplit=1)[0].replace("_", "-").lower()
    tag, _, script = tag.partition("-#")
    script = script.partition("-")[0]
    language, hyphen, rest = tag.partition("-")
    language = _RENAMED.get(language, language)
    return f"{language}-{script}-{rest}" if len(script) == SCRIPT else f"{language}{hyphen}{rest}"


def _shortened(tag: str) -> str:
    """Return the tag without its last subtag, nor the single letter before it, which only introduced that one."""
    tag = tag.rpartition("-")[0]
    return tag.rpartition("-")[0] if tag[-2:-1] == "-" else tag


def is_whole(text: str) -> bool:
    """Return whether a text has no half of a character (a surrogate), with which nothing could be sent or stored.

    Python makes them of bytes in the environment that are not UTF-8, and of half an escape of a pair in JSON.
    """
    return not _HALF.search(text)


def template_fault(template: str) -> str | None:
    """Return the fault of a template, None where it has none: it needs {code}, and may have {app} and {minutes}."""
    if not is_whole(template):
        return "has half of a character"
    try:
        values = [value for value in string.Formatter().parse(template) if value[1] is not None]
    except ValueError:
        return "has a brace without its partner"
    if any(form or conversion for _, _, form, conversion in values):
        return "has more than a name between braces"
    names = {name or "" for _, name, _, _ in values}
    if names - set(VALUES):
        return "has something else between braces than code, app or minutes"
    return None if "code" in names else "lacks {code}"
