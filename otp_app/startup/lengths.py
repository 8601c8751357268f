"""How many SMS the texts take that the settings make possible, and which of them are too long for apps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from otp_app import apis
from otp_app.core.policy import Policy
from otp_app.core.segments import size_of
from otp_app.core.texts import best_tag, for_app, is_for_apps
from otp_app.settings import Settings
from otp_app.settings.checks import Words

NO_SMS = {"whatsapp", "twilio_verify"}  # channels whose texts are no SMS, or are not ours
APP_HASH = "A" * 11  # any is as long
TOO_LONG_FOR_APPS = "too long for a send with an app_hash (140 bytes), which gets a short text instead"


class _Possible(NamedTuple):
    """A text that may be sent."""

    source: str  # the variable that it is from; "": it is the server's own
    tag: str  # its language; "": that of the default
    plain: str  # without a last line
    whole: str


def advice(settings: Settings) -> list[str]:
    """Return a line for the texts of each variable that take several SMS, or that are too long for an app."""
    if set(settings.otp_channels) <= NO_SMS:
        return []
    words: list[Words] = []
    for api in apis.known(apis.served(settings)):
        words += [found for found in api.words(settings) if found not in words]
    lines: list[str] = []
    for found in words:
        texts = list(_possible(found))
        lines += _long(texts)
        lines += _not_for_apps(texts) if found.for_apps else []
    return list(dict.fromkeys(lines))


def _possible(words: Words) -> Iterator[_Possible]:
    texts, code, life = words.texts, "0" * words.digits, Policy().max_life
    plain = replace(texts, origin="")
    sources = {tag: "" for tag in texts.built_in if not best_tag(tag, texts.by_locale)}
    for tag, source in {"": words.source, **dict.fromkeys(texts.by_locale, "OTP_MESSAGES"), **sources}.items():
        yield _Possible(source, tag, plain.render(code, life, tag), texts.render(code, life, tag))


def _long(texts: Iterable[_Possible]) -> Iterator[str]:
    own: dict[str, list[str]] = {}
    for text in texts:
        size = size_of(text.whole)
        if size.segments == 1:
            continue
        if text.source:
            end = " with the line of OTP_ORIGIN" if text.whole != text.plain else ""
            yield f"{text.source}: {_named(text.tag)}{end} takes {size.segments} SMS: {size.why}"
        else:
            own.setdefault(_cause(text), []).append(f"{text.tag or 'en'} {size.segments} SMS ({size.why})")
    for variable, found in own.items():
        yield f"{variable}: with it, some of the server's own texts take several SMS: {'; '.join(found)}"


def _not_for_apps(texts: Iterable[_Possible]) -> Iterator[str]:
    own = []
    for text in texts:
        if is_for_apps(for_app(text.plain, APP_HASH)):
            continue
        if text.source:
            yield f"{text.source}: {_named(text.tag)} is {TOO_LONG_FOR_APPS}"
        else:
            own.append(text.tag or "en")
    if own:
        yield f"OTP_APP_NAME: with it, some of the server's own texts are {TOO_LONG_FOR_APPS}: {', '.join(own)}"


def _named(tag: str) -> str:
    return f"the text in {tag}" if tag else "the text"


def _cause(text: _Possible) -> str:
    """Return the variable that makes a text of the server long."""
    return "OTP_ORIGIN" if size_of(text.plain).segments == 1 else "OTP_APP_NAME"
