"""The texts that the server has of its own, by language, and the language of a country.

Each is short: with a code of ten digits and a name of twelve characters it takes one SMS. A text begins with its own
script, which sets its direction, and the code stands behind a colon or a blank. There are no control characters for
direction: digits keep their order without, and a program that looks for the code could stumble (decision 0049).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Wording(NamedTuple):
    """The templates of one language."""

    plain: str
    named: str  # with the name of the app, or of a Verify service
    warning: str  # what may stand behind either: not to share the code


#: Language tag in lower case -> its wording. English is not among them: each API has its own.
WORDINGS = {
    "ar": Wording("رمز التحقق الخاص بك: {code}", "رمز التحقق الخاص بك في {app}: {code}", ". لا تشاركه مع أحد."),
    "de": Wording("Ihr Code lautet: {code}", "Ihr Code für {app} lautet: {code}", ". Geben Sie ihn nicht weiter."),
    "es": Wording("Tu código es: {code}", "Tu código de {app} es: {code}", ". No lo compartas."),
    "fa": Wording("کد تأیید شما: {code}", "کد تأیید شما در {app}: {code}", ". آن را به کسی ندهید."),
    "fr": Wording("Votre code est : {code}", "Votre code {app} est : {code}", ". Ne le communiquez à personne."),
    "he": Wording("קוד האימות שלך: {code}", "קוד האימות שלך ב-{app}: {code}", ". אין לשתף אותו."),
    "hi": Wording("आपका कोड है: {code}", "आपका {app} कोड है: {code}", "। इसे किसी को न बताएं।"),
    "id": Wording("Kode Anda: {code}", "Kode {app} Anda: {code}", ". Jangan bagikan kepada siapa pun."),
    "it": Wording("Il tuo codice è: {code}", "Il tuo codice {app} è: {code}", ". Non condividerlo con nessuno."),
    "ja": Wording("認証コード: {code}", "{app}の認証コード: {code}", "。他人に教えないでください。"),
    "ko": Wording("인증번호: {code}", "{app} 인증번호: {code}", ". 타인에게 알려주지 마세요."),
    "nl": Wording("Je code is: {code}", "Je code voor {app} is: {code}", ". Deel hem met niemand."),
    "pl": Wording("Twój kod to: {code}", "Twój kod {app} to: {code}", ". Nie podawaj go nikomu."),
    "pt": Wording("O seu código é: {code}", "O seu código {app} é: {code}", ". Não o mostre a ninguém."),
    "ru": Wording("Ваш код: {code}", "Ваш код {app}: {code}", ". Никому его не сообщайте."),
    "th": Wording("รหัสของคุณคือ: {code}", "รหัส {app} ของคุณคือ: {code}", " อย่าบอกรหัสนี้กับใคร"),
    "tr": Wording("Kodunuz: {code}", "{app} kodunuz: {code}", ". Kimseyle paylaşmayın."),
    "uk": Wording("Ваш код: {code}", "Ваш код {app}: {code}", ". Нікому його не повідомляйте."),
    "vi": Wording("Mã của bạn là: {code}", "Mã {app} của bạn là: {code}", ". Không chia sẻ mã này."),
    "zh": Wording("您的验证码: {code}", "您的{app}验证码: {code}", "。请勿告诉他人。"),
    "zh-hant": Wording("您的驗證碼: {code}", "您的{app}驗證碼: {code}", "。請勿告訴他人。"),
}
WORDINGS |= dict.fromkeys(("zh-hk", "zh-mo", "zh-tw"), WORDINGS["zh-hant"])  # those who write no script mean this one

#: The language that three of four people of a country read, at least. Where there is none, as in India, Canada and
#: Switzerland, it is English.
_COUNTRIES = {
    "ar": "BH DZ EG IQ JO KW LB LY MA MR OM PS SA SD SY TN YE",
    "de": "AT DE LI",
    "es": "AR BO CL CO CR CU DO EC ES GQ GT HN MX NI PA PE PR PY SV UY VE",
    "fa": "IR",
    "fr": "BF BJ CD CG CI FR GA GF GN GP MC ML MQ NC NE PF PM RE SN TG YT",
    "he": "IL",
    "id": "ID",
    "it": "IT SM VA",
    "ja": "JP",
    "ko": "KR",
    "nl": "NL SR",
    "pl": "PL",
    "pt": "AO BR CV GW MZ PT ST",
    "ru": "BY RU",
    "th": "TH",
    "tr": "TR",
    "uk": "UA",
    "vi": "VN",
    "zh": "CN",
    "zh-hant": "HK MO TW",
}
#: ISO 3166 code -> language tag
BY_COUNTRY = {country: tag for tag, countries in _COUNTRIES.items() for country in countries.split()}

PLAIN = {tag: wording.plain for tag, wording in WORDINGS.items()}


def templates(*, named: bool, warning: bool) -> Mapping[str, str]:
    """Return the templates by language tag: with a name or without one, with the warning or without it."""
    return {
        tag: (wording.named if named else wording.plain) + (wording.warning if warning else "")
        for tag, wording in WORDINGS.items()
    }
