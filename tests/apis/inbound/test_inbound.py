"""From POST /verifications/inbound over the message that Twilio brings to GET /verifications/ID."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from otp_app.apis.callbacks.twilio_inbound import REPLIES
from otp_app.core.errors import StoreUnavailable
from otp_app.core.inbound_transitions import Finding
from otp_app.core.phone import mask
from tests.apis.inbound.conftest import ACCOUNT, APPROVED, PATH, PUBLIC, Phones, opened_by
from tests.apis.verify_v2.site import SERVICE, SETTINGS, basic
from tests.twilio import webhooks
from tests.web.site import api_key

CONFIRMED, UNKNOWN = REPLIES[Finding.CONFIRMED], REPLIES[Finding.UNKNOWN]
NUMBER = "+14155552671"
BSUID = "US.13491208655302741918"

# ---- the answer


def test_the_answer_has_a_word_and_links_that_open_it(phones: Phones) -> None:
    """On the phone the message names the application and the purpose."""
    begun = phones.begin(purpose="sign_up")
    text = f"I confirm my phone number for Shop & Co (sign_up) with {begun['word']}. I started this myself."
    assert (begun["text"], begun["to"], begun["status"], begun["expires_in"]) == (text, "", "pending", 300)
    assert begun["links"].keys() == {"whatsapp"}
    assert opened_by(begun["links"]["whatsapp"]) == ("wa.me/14155238886", text)


def test_with_sms_there_is_a_link_for_that_too(phones_with_sms: Phones) -> None:
    begun = phones_with_sms.begin()
    assert begun["links"]["sms"].startswith("sms:+15005550006?body=")
    assert opened_by(begun["links"]["sms"]) == ("+15005550006", begun["text"])


def test_a_number_that_is_named_is_shown_masked(phones: Phones) -> None:
    begun = phones.begin(phone_number=NUMBER, tags={"order": "7"})
    shown = phones.report(begun)
    assert begun["to"] == shown["to"] == mask(NUMBER)
    assert (shown["tags"], shown["sends"], shown["attempts_left"]) == ({"order": "7"}, [], 5)
    assert shown["inbound"] == {"channel": None, "provider_id": None}
    assert NUMBER not in json.dumps(shown)


@pytest.mark.parametrize("body", [
    {"phone_number": "1"}, {"phone_number": ""}, {"phone_number": 1}, {"purpose": "Log in"}, {"tags": {"": "x"}}, [],
    {"tags": ["x"]},
])  # fmt: skip
def test_a_bad_request_begins_nothing(phones: Phones, body: Any) -> None:
    assert phones.site.post("/verifications/inbound", body).status_code == 400


def test_a_number_has_eight_pending(phones: Phones) -> None:
    for _ in range(8):
        phones.begin(phone_number=NUMBER)
    answer = phones.site.post("/verifications/inbound", {"phone_number": NUMBER})
    assert (answer.status_code, answer.json["error_type"]) == (429, "too_many_pending")
    assert answer.headers["Retry-After"] == "300"
    assert phones.site.send(NUMBER).status_code == 200


def test_without_the_api_it_costs_nothing_and_proves_nothing(open_site: Any) -> None:
    """Not even its path is there, and what people write is not looked at."""
    phones = Phones(open_site(**ACCOUNT | {"otp_apis": ("native",)}))
    assert phones.site.post("/verifications/inbound", {}).status_code in (404, 405)
    store = phones.site.services.store
    store.get = store.swap = store.add = None
    assert phones.write("KM4T9-XQPHW") == ""


def test_it_needs_the_scope_of_a_send(open_site: Any) -> None:
    keys = f"{api_key('shop', 'send', 'right')},{api_key('other', 'verify', 'other')}"
    site = open_site(**ACCOUNT, otp_api_keys=keys)
    statuses = [site.post("/verifications/inbound", {}, key=key).status_code for key in ("right", "other", "")]
    assert statuses == [200, 403, 401]


def test_in_public_anybody_may_ask_and_only_a_key_sees_the_number(open_site: Any) -> None:
    """A browser begins, and the back end behind it learns who wrote."""
    given = ACCOUNT | {"otp_api_keys": api_key("shop", "verify", "right"), "otp_public": "1", "otp_countries": "US"}
    phones = Phones(open_site(**given))
    begun = phones.begin()
    phones.write(begun["text"], NUMBER)
    path = f"/verifications/{begun['verification_id']}"
    assert phones.site.call("GET", path).status_code == 401
    assert phones.site.call("GET", path, key="right").json["phone_number"] == NUMBER


def test_it_counts_against_the_limits_of_a_client(open_site: Any) -> None:
    site = open_site(**ACCOUNT | {"otp_client_limits": "2/hour"})
    assert [site.post("/verifications/inbound", {}).status_code for _ in range(3)] == [200, 200, 429]


# ---- the message


@pytest.mark.parametrize("by", ["whatsapp", "sms"])
@pytest.mark.parametrize("how", [
    "{text}", "{word}", "{lower}", "  {word}  ", "{plain}", "{spaced}", "Hi! {text} Thanks, Ann",
    "*{word}*\n\nSent from my phone",
])  # fmt: skip
def test_the_right_word_approves_the_verification_of_its_sender(phones_with_sms: Phones, how: str, by: str) -> None:
    """By either channel, whatever people make of the text."""
    phones, number = phones_with_sms, phones_with_sms.site.number()
    begun = phones.begin()
    _, text = opened_by(begun["links"][by])
    word = begun["word"]
    said = how.format(
        text=text, word=word, lower=word.lower(), plain=word.replace("-", ""), spaced=word.replace("-", " ")
    )
    form = phones.form(said, number, by)
    assert phones.bring(form) == CONFIRMED
    shown = phones.report(begun)
    assert (shown["status"], shown["phone_number"], shown["to"]) == ("approved", number, mask(number))
    assert shown["inbound"] == {"channel": by, "provider_id": form["MessageSid"]}


def test_a_message_may_be_as_long_as_whatsapp_allows(phones: Phones) -> None:
    """4,096 characters, each of 12 bytes in a form."""
    begun = phones.begin()
    assert phones.write(f"{begun['word']} ".ljust(4096, "\N{GRINNING FACE}")) == CONFIRMED


def test_a_wrong_word_approves_nothing(phones: Phones) -> None:
    begun = phones.begin()
    last = begun["word"][-1]
    other = begun["word"][:-1] + ("Q" if last != "Q" else "R")
    assert phones.write(begun["text"].replace(begun["word"], other)) == UNKNOWN
    assert phones.write("Hello, what do you sell?") == UNKNOWN
    assert phones.write("") == UNKNOWN
    assert phones.status(begun) == "pending"


def test_a_late_word_approves_nothing(phones: Phones) -> None:
    begun = phones.begin()
    phones.site.clock.advance(300)
    assert phones.write(begun["text"]) == UNKNOWN
    assert phones.status(begun) == "expired"


def test_a_word_is_used_up(phones: Phones) -> None:
    """Somebody else who has it proves nothing; who has proved their number is told so once more."""
    begun, number = phones.begin(), phones.site.number()
    assert [phones.write(begun["text"], number) for _ in range(2)] == [CONFIRMED] * 2
    assert phones.write(begun["text"]) == UNKNOWN
    assert phones.report(begun)["phone_number"] == number


def test_a_message_that_twilio_brings_again_changes_nothing(phones: Phones) -> None:
    """And has no second reply, whether it was right or wrong."""
    begun = phones.begin(phone_number=NUMBER)
    wrong, right = phones.form(begun["text"], phones.site.number()), phones.form(begun["text"], NUMBER)
    assert [phones.bring(wrong) for _ in range(7)] == [REPLIES[Finding.OTHER_NUMBER], *[""] * 6]
    assert phones.report(begun)["attempts"] == 1
    assert [phones.bring(right) for _ in range(3)] == [CONFIRMED, "", ""]
    assert phones.bring(wrong) == ""
    assert (phones.status(begun), phones.report(begun)["attempts"]) == ("approved", 1)


def test_only_the_number_that_was_named_counts(phones: Phones) -> None:
    """The right word from five others ends the verification."""
    begun = phones.begin(phone_number=NUMBER)
    for attempt in range(1, 6):
        assert phones.write(begun["text"]) == REPLIES[Finding.OTHER_NUMBER]
        assert phones.report(begun)["attempts"] == attempt
    assert phones.status(begun) == "max_attempts_reached"
    assert phones.write(begun["text"], NUMBER) == UNKNOWN


def test_an_id_instead_of_a_number_proves_nothing(phones: Phones) -> None:
    """What WhatsApp knows besides, such as a WaId that looks like a number, does not count."""
    begun = phones.begin()
    form = phones.form(begun["text"], BSUID) | {"WaId": NUMBER[1:], "ProfileName": NUMBER}
    assert phones.bring(form) == REPLIES[Finding.NO_NUMBER]
    assert phones.status(begun) == "pending"
    assert phones.write(begun["text"]) == CONFIRMED


def test_a_country_that_is_not_served_proves_nothing(open_site: Any) -> None:
    phones = Phones(open_site(**ACCOUNT, otp_countries="US"))
    assert phones.site.post("/verifications/inbound", {"phone_number": "+447911123456"}).status_code == 403
    begun = phones.begin()
    assert phones.write(begun["text"], "+447911123456") == REPLIES[Finding.NOT_SERVED]
    assert phones.status(begun) == "pending"


def test_sms_proves_nothing_unless_it_is_on(phones: Phones) -> None:
    """Nor is it answered: senders of SMS can be forged."""
    begun = phones.begin()
    assert "sms" not in begun["links"]
    assert phones.write(begun["text"], by="sms") == ""
    assert phones.status(begun) == "pending"


def test_by_sms_a_wrong_word_is_not_answered(phones_with_sms: Phones) -> None:
    """Each answer is an SMS to a sender that may be forged."""
    phones = phones_with_sms
    begun = phones.begin(phone_number=NUMBER)
    assert phones.write("KM4T9-XQPHW", by="sms") == ""
    assert phones.write(begun["text"], by="sms") == REPLIES[Finding.OTHER_NUMBER]
    assert phones.write(begun["text"], NUMBER, by="sms") == CONFIRMED


@pytest.mark.parametrize("sender", ["12345", "BANK", "rcs:+14155552671", "messenger:1234", "", "whatsapp:"])
def test_programs_and_other_channels_prove_nothing(phones_with_sms: Phones, sender: str) -> None:
    begun = phones_with_sms.begin()
    reply = phones_with_sms.bring(webhooks.inbound_form(sender, "+15005550006", begun["text"]))
    assert reply in ("", REPLIES[Finding.NO_NUMBER])
    assert phones_with_sms.status(begun) == "pending"


def test_a_sender_gets_three_replies_in_an_hour(phones: Phones) -> None:
    """However much they write; a right word still counts."""
    assert [bool(phones.write("hello", NUMBER)) for _ in range(5)] == [True] * 3 + [False] * 2
    begun = phones.begin()
    assert phones.write(begun["text"], NUMBER) == ""
    assert phones.status(begun) == "approved"


def test_messages_in_any_order_prove_what_they_say(phones: Phones) -> None:
    """Those of two people, shuffled and doubled."""
    begun = {number: phones.begin() for number in (phones.site.number(), phones.site.number())}
    forms = [phones.form(one["text"], number) for number, one in begun.items()]
    replies = [phones.bring(forms[at]) for at in (1, 0, 0, 1, 1, 0)]
    assert replies == [CONFIRMED, CONFIRMED, "", "", "", ""]
    assert [phones.report(one)["phone_number"] for one in begun.values()] == list(begun)


def test_a_long_message_is_taken(phones: Phones) -> None:
    """The word is looked for in its first 4096 characters; a webhook may be longer."""
    begun = phones.begin()
    assert phones.write("x " * 2000 + begun["word"] + " x" * 20_000) == CONFIRMED
    form = phones.form("x" * 70_000, NUMBER)
    assert phones.post(form).status_code == 413


# ---- who may bring messages


def test_what_is_not_signed_is_403_and_proves_nothing(phones: Phones) -> None:
    begun = phones.begin()
    form = phones.form(begun["text"], NUMBER)
    answers = [phones.post(form, token=token) for token in ("", "wrong")]
    answers += [phones.post(form, HTTP_X_TWILIO_SIGNATURE=text) for text in ("", "x" * 28)]
    forged = form | {"From": "whatsapp:" + phones.site.number()}
    signature = webhooks.sign("faketoken1234567", PUBLIC + PATH, form)
    answers.append(phones.post(forged, HTTP_X_TWILIO_SIGNATURE=signature))
    assert [answer.status_code for answer in answers] == [403] * 5
    assert phones.status(begun) == "pending"


def test_it_is_reached_under_the_public_host_alone_and_without_a_key(open_site: Any) -> None:
    phones = Phones(open_site(**ACCOUNT, otp_api_keys=api_key("shop", "send+verify", "right")))
    form = phones.form("hello", NUMBER)
    assert phones.post(form).status_code == 200
    local = Phones(open_site(**ACCOUNT))
    assert local.post(form, HTTP_HOST="evil.example").status_code == 403
    assert local.post(form).status_code == 200


def test_without_the_store_it_is_503_and_the_message_counts_when_it_comes_again(
    phones: Phones, monkeypatch: Any
) -> None:
    begun = phones.begin()
    form = phones.form(begun["text"], NUMBER)

    def away(*_: Any) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(phones.site.services.store, "swap", away)
        assert phones.post(form).status_code == 503
    assert phones.status(begun) == "pending"
    phones.bring(form)
    assert phones.status(begun) == "approved"


# ---- STOP and START


@pytest.mark.parametrize("by", ["whatsapp", "sms"])
@pytest.mark.parametrize("text", [
    "STOP", " stop\n", "StopAll", "UNSUBSCRIBE", "cancel", "End", "QUIT", "revoke", "OPTOUT",
])  # fmt: skip
def test_stop_is_noted_and_left_to_twilio_to_answer(phones: Phones, text: str, by: str) -> None:
    number, opt_outs = phones.site.number(), phones.site.services.verifications.opt_outs
    assert phones.write(text, number, by) == ""
    assert opt_outs.is_stopped(number)
    assert phones.write("Start", number, by) == ""
    assert not opt_outs.is_stopped(number)


def test_twilios_own_word_for_it_counts(phones: Phones) -> None:
    """As where an operator has chosen words in other languages."""
    number, opt_outs = phones.site.number(), phones.site.services.verifications.opt_outs
    for said, stopped in (("STOP", True), ("HELP", True), ("START", False)):
        phones.bring(phones.form("arrêt", number, "sms") | {"OptOutType": said})
        assert opt_outs.is_stopped(number) == stopped


def test_stop_ends_notifications_until_start(open_site: Any, tmp_path: Path) -> None:
    (tmp_path / "templates.toml").write_text('[shipped]\nsms = "It is on its way."\n', encoding="ascii")
    phones = Phones(open_site(**ACCOUNT, otp_templates_file=str(tmp_path / "templates.toml")))
    statuses = []
    for text in ("hello", "STOP", "START"):
        phones.write(text, NUMBER, by="sms")
        answer = phones.site.post("/notifications", {"phone_number": NUMBER, "template": "shipped", "variables": {}})
        statuses.append(answer.status_code)
    assert statuses == [202, 403, 202]


@pytest.mark.parametrize("text", ["Stop it", "please stop", "HELP", "info", "yes!", ""])
def test_other_words_stop_nothing(phones: Phones, text: str) -> None:
    number = phones.site.number()
    phones.write(text, number, "sms")
    assert not phones.site.services.verifications.opt_outs.is_stopped(number)


def test_stop_is_of_the_number_that_gets_the_messages(phones: Phones) -> None:
    """WhatsApp names many accounts of Brazil without the 9 that their phones have."""
    opt_outs = phones.site.services.verifications.opt_outs
    phones.write("STOP", "+553187654321")
    assert opt_outs.is_stopped("+5531987654321")
    phones.write("START", "+553187654321")
    assert not opt_outs.is_stopped("+5531987654321")


def test_stop_without_a_number_is_nothing(phones: Phones) -> None:
    assert [phones.write(text, BSUID) for text in ("STOP", "START")] == ["", ""]


# ---- what is told, and what is not


def test_the_operator_is_told_and_the_log_has_neither_word_nor_number(
    open_site: Any, caplog: Any
) -> None:
    """OTP_ON_APPROVED gets the whole number, as of any approval."""
    caplog.set_level(logging.DEBUG, "otp_app")
    phones = Phones(open_site(**ACCOUNT, otp_on_approved="tests.apis.inbound.conftest:keep"))
    APPROVED.clear()
    begun = phones.begin(purpose="sign_up")
    phones.write(begun["text"], NUMBER)
    lines = [line for line in caplog.records if line.message == "Checked"]
    assert [line.fields["to"] for line in lines] == [mask(NUMBER)]
    assert [(approval.phone, approval.purpose, approval.channel) for approval in APPROVED] == [
        (NUMBER, "sign_up", "whatsapp"),
    ]  # fmt: skip
    logged = str([vars(line) for line in caplog.records])
    assert [mark for mark in (NUMBER[1:], begun["word"], begun["word"].replace("-", "")) if mark in logged] == []


def test_a_wait_for_news_ends_with_the_message(phones: Phones) -> None:
    begun = phones.begin()
    version = phones.report(begun)["version"]
    phones.write(begun["text"], NUMBER)
    path = f"/verifications/{begun['verification_id']}?wait=20&version={version}"
    assert phones.site.call("GET", path).json["phone_number"] == NUMBER


def test_no_other_request_approves_it(phones: Phones) -> None:
    """Neither a check nor a resend of its id; it can be canceled."""
    begun = phones.begin(phone_number=NUMBER)
    id_ = begun["verification_id"]
    for otp in (begun["word"], "123456"):
        assert phones.site.post("/verify-otp", {"verification_id": id_, "otp": otp}).status_code == 400
    assert phones.site.post("/resend-otp", {"verification_id": id_}).status_code == 404
    assert phones.site.channel.messages == []
    canceled = phones.site.call("DELETE", f"/verifications/{id_}").json
    assert canceled["status"] == "canceled"
    assert "phone_number" not in canceled
    assert phones.write(begun["text"], NUMBER) == UNKNOWN


def test_the_verify_api_neither_approves_nor_checks_it(open_site: Any) -> None:
    """A service of the same purpose finds it by its id, and can cancel it."""
    given = SETTINGS | ACCOUNT | {"otp_apis": ("native", "inbound", "verify_v2")}
    phones = Phones(open_site(**given))
    id_ = phones.begin()["verification_id"]
    base, headers = f"/v2/Services/{SERVICE}", basic() | {"Content-Type": "application/x-www-form-urlencoded"}

    def ask(method: str, path: str, body: bytes | None = None) -> Any:
        return phones.site.call(method, base + path, body, headers)

    assert ask("POST", f"/Verifications/{id_}", b"Status=approved").status_code == 404
    assert ask("POST", "/VerificationCheck", f"VerificationSid={id_}&Code=123456".encode()).status_code == 404
    shown = ask("GET", f"/Verifications/{id_}")
    assert (shown.status_code, shown.json["status"], shown.json["to"]) == (200, "pending", "")
    assert ask("POST", f"/Verifications/{id_}", b"Status=canceled").json["status"] == "canceled"
