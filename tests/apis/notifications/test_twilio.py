"""From the request over the stand-in for Twilio, and its receipts, to what is shown: each checked in its log."""

from __future__ import annotations

import json
import logging

import pytest

from tests.apis.notifications.conftest import ENGLISH, SPANISH, Shop
from tests.running import wait_until


def test_whatsapp_gets_the_approved_template_with_its_variables(shop: Shop) -> None:
    number = shop.site.number()
    answer = shop.notify(number)
    assert (answer.status_code, answer.json["status"]) == (202, "queued")
    shown = shop.ended(answer.json["id"], "delivered")
    (sent,) = (m for m in shop.twilio.messages if m.api["to"].endswith(number))
    assert sent.form["ContentSid"] == ENGLISH
    assert json.loads(sent.form["ContentVariables"]) == {"1": "A-1042"}
    assert "Body" not in sent.form
    assert f"/callbacks/twilio/status/{answer.json['id']}/VL" in sent.form["StatusCallback"]
    (send,) = shown["sends"]
    assert (send["channel"], [receipt["status"] for receipt in send["receipts"]]) == ("whatsapp", ["sent", "delivered"])


def test_sms_gets_the_text(shop: Shop) -> None:
    number = shop.site.number()
    shop.ended(shop.notify(number, channel="sms").json["id"], "delivered")
    shop.ended(shop.notify(number, "closed").json["id"], "delivered")
    assert shop.texts(number) == [(number, "Your order A-1042 is on its way."), (number, "We are closed today.")]


def test_the_locale_chooses_the_approved_template(shop: Shop) -> None:
    number = shop.site.number()
    shop.ended(shop.notify(number, locale="es_MX.UTF-8").json["id"], "delivered")
    (sent,) = (m for m in shop.twilio.messages if m.api["to"].endswith(number))
    assert (sent.form["ContentSid"], sent.text) == (SPANISH, "Tu pedido A-1042 está en camino.")


@pytest.mark.slow
def test_a_batch_of_500_with_7_bad_numbers(shop: Shop) -> None:
    """493 messages, each to its own number with its own words; repeated, not one more."""
    numbers = [shop.site.number() for _ in range(500)]
    bad = dict(zip((0, 77, 78, 200, 333, 498, 499), ("", "+1", "x", "+14155", "+999999999", None, {}), strict=True))
    recipients = [
        {"phone_number": bad.get(n, number), "variables": {"number": f"A-{n}"}} for n, number in enumerate(numbers)
    ]
    shop.twilio.auto_deliver, before = False, len(shop.twilio.messages)
    answer = shop.batch(recipients, key="batch-1")
    assert (answer.status_code, answer.json["queued"], answer.json["refused"]) == (202, 493, 7)
    results = answer.json["results"]
    assert {n for n, result in enumerate(results) if "error" in result} == set(bad)
    assert all(result["error"]["status"] == 400 for result in results if "error" in result)
    good = [number for n, number in enumerate(numbers) if n not in bad]
    wait_until(lambda: len(shop.twilio.messages) == before + 493, "the messages")
    assert shop.batch(recipients, key="batch-1").json["results"] == results
    for sent in shop.twilio.messages[before:]:
        assert shop.twilio.deliver(sent, "delivered")["status"] == 204
    shop.twilio.auto_deliver = True
    assert {shop.shown(result["id"])["status"] for result in results if "id" in result} == {"delivered"}
    for number in good:
        assert shop.texts(number) == [(f"whatsapp:{number}", f"Your order A-{numbers.index(number)} is on its way.")]
    assert shop.batch(recipients[:-1], key="batch-1").status_code == 422


def test_a_repeated_key_sends_nothing_twice(shop: Shop) -> None:
    number = shop.site.number()
    first, second = shop.notify(number, key="once"), shop.notify(number, key="once")
    assert first.json == second.json
    shop.ended(first.json["id"], "delivered")
    assert shop.notify(number, key="once").json == first.json
    assert shop.notify(number, key="once", locale="es").json["error_type"] == "idempotency_key_reused"
    assert len(shop.texts(number)) == 1


def test_a_key_of_a_code_is_not_one_of_a_notification(shop: Shop) -> None:
    """As one of another request."""
    number, headers = shop.site.number(), {"Idempotency-Key": "both"}
    assert shop.notify(number, key="both").status_code == 202
    answer = shop.site.post("/send-otp", {"phone_number": number}, headers=headers)
    assert (answer.status_code, answer.json["error_type"]) == (422, "idempotency_key_reused")


def test_stop_in_between(shop: Shop) -> None:
    """Nothing leaves after it, codes excepted, and START undoes it."""
    number = shop.site.number()
    opt_outs = shop.site.services.verifications.opt_outs
    shop.ended(shop.notify(number, channel="sms").json["id"], "delivered")
    opt_outs.stop(number)
    answer = shop.notify(number)
    assert (answer.status_code, answer.json["error_type"]) == (403, "recipient_stopped")
    results = shop.batch([{"phone_number": number, "variables": {"number": "1"}}]).json["results"]
    assert results[0]["error"]["error_type"] == "recipient_stopped"
    assert shop.site.post("/send-otp", {"phone_number": number, "channel": "sms"}).status_code == 200
    opt_outs.start(number)
    shop.ended(shop.notify(number, channel="sms").json["id"], "delivered")
    assert len(shop.texts(number)) == 3


@pytest.mark.parametrize("code", [21610, 63033])
def test_the_providers_stop_is_remembered(shop: Shop, code: int) -> None:
    """In its answer, and in a receipt."""
    number, other = shop.site.number(), shop.site.number()
    shop.twilio.fail(code, to=f"whatsapp:{number}")
    assert shop.ended(shop.notify(number).json["id"])["status"] == "stopped"
    shop.twilio.script(f"whatsapp:{other}", "sent", f"undelivered:{code}")
    assert shop.ended(shop.notify(other).json["id"], "stopped")["sends"][0]["error_code"] == code
    for stopped in (number, other):
        assert shop.notify(stopped).json["error_type"] == "recipient_stopped"
        assert len(shop.texts(stopped)) == (stopped == other)


def test_sms_follows_a_receipt_that_whatsapp_does_not_deliver(shop: Shop) -> None:
    number = shop.site.number()
    shop.twilio.script(f"whatsapp:{number}", "sent", "undelivered:63024")
    shown = shop.ended(shop.notify(number).json["id"], "delivered")
    assert shop.texts(number) == [
        (f"whatsapp:{number}", "Your order A-1042 is on its way."), (number, "Your order A-1042 is on its way."),
    ]  # fmt: skip
    assert [send["delivery"] for send in shown["sends"]] == ["undelivered", "delivered"]
    assert shown["sends"][0]["receipts"][-1]["error_code"] == 63024


def test_sms_follows_a_refusal_at_once(shop: Shop) -> None:
    number = shop.site.number()
    shop.twilio.fail(63024, to=f"whatsapp:{number}")
    shown = shop.ended(shop.notify(number).json["id"], "delivered")
    assert [(send["channel"], send["reason"]) for send in shown["sends"]] == [("whatsapp", "bad_number"), ("sms", None)]
    assert len(shop.texts(number)) == 1


def test_an_answer_that_never_comes_is_not_sent_again(shop: Shop) -> None:
    number = shop.site.number()
    shop.twilio.fail(0, to=number, drop=True)
    shown = shop.ended(shop.notify(number, "closed").json["id"])
    assert (shown["status"], shop.texts(number)) == ("unknown", [])


def test_a_rate_that_is_reached_is_waited_for(shop: Shop) -> None:
    number = shop.site.number()
    shop.twilio.fail(20429, to=number, status=429, retry_after=3000)
    sent = shop.notify(number, "closed").json["id"]
    wait_until(lambda: [send["reason"] for send in shop.shown(sent)["sends"]] == ["throttled"], "the first attempt")
    assert shop.shown(sent)["status"] == "queued"


def test_no_log_has_a_number_or_what_is_said(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """Of notifications that arrive, are refused, stay unknown or are followed; not even the errors of requests."""
    caplog.set_level(logging.DEBUG)
    numbers = [shop.site.number() for _ in range(4)]
    shop.twilio.fail(63024, to=f"whatsapp:{numbers[1]}")
    shop.twilio.script(f"whatsapp:{numbers[2]}", "sent", "undelivered:63016")
    shop.twilio.fail(0, to=f"whatsapp:{numbers[3]}", drop=True)
    sent = [shop.notify(number, variables={"number": "SECRET-77"}).json["id"] for number in numbers]
    answers = [shop.notify(n, variables={"number": "SECRET-77", "x": "SECRET-78"}) for n in numbers]
    for notification_id in sent[:3]:
        shop.ended(notification_id, "delivered")
    shop.ended(sent[3], "unknown")
    lines = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
    assert len([line for line in lines if "'purpose': 'notification'" in line]) > 6
    said = "\n".join([*lines, *(answer.get_data(as_text=True) for answer in answers)])
    assert [mark for mark in ("SECRET-", *(number[1:] for number in numbers)) if mark in said] == []
    assert not any("SECRET" in json.dumps(shop.shown(notification_id)) for notification_id in sent)
