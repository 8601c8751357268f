"""POST /callbacks/twilio/status/VERIFICATION/SEND: Twilio's receipts, from the callback to the timeline."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from otp_app.channels.twilio import errors
from otp_app.core.errors import StoreUnavailable, VerificationNotFound
from otp_app.system.logs import log, request_id
from otp_app.web.later import FAULT, LATER
from otp_app.web.openapi import resolve
from tests.apis.callbacks.conftest import ACCOUNT, Reached
from tests.twilio import webhooks
from tests.twilio.twilio_model import ERRORS
from tests.web.site import api_key

ELSEWHERE = {"REMOTE_ADDR": "203.0.113.9"}
PUBLIC, RECEIPT = "https://otp.example.com/app", "/callbacks/twilio/status/VE/VL"


@pytest.mark.parametrize("code", sorted(errors.CODES))
def test_each_error_is_explained_in_the_timeline(reached: Reached, code: int, caplog: Any) -> None:
    """From Twilio's number to a sentence with the remedy; the log has one line, without the number of the phone."""
    caplog.set_level(logging.INFO, "otp_app")
    verification_id, message = reached.sent("whatsapp" if code >= 63000 else "sms")
    caplog.clear()
    for status in ("sent", f"undelivered:{code}"):
        assert reached.twilio.deliver(message, status)["status"] == 204
    send, meaning = reached.timeline(verification_id), errors.meaning(code)
    assert (send["delivery"], send["provider_id"]) == ("undelivered", message.api["sid"])
    assert (send["error_code"], send["error_class"], send["explanation"]) == (code, *meaning[:2])
    (_, failed) = send["receipts"]
    assert failed == {
        "status": "undelivered", "at": send["at"], "error_code": code, "error_class": meaning.error_class,
        "explanation": meaning.sentence,
    }  # fmt: skip
    (line,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert (line.message, line.fields["provider_code"], line.fields["error_class"], line.fields["explanation"]) == (
        "Undelivered", code, *meaning[:2],
    )  # fmt: skip
    assert message.api["to"][-10:] not in str(line.fields)


#: what refuses a message: not of Verify, not asked again by itself (429), and without a pause of the channel (401)
AT_ONCE = [int(code) for code, known in ERRORS.items()
           if known["when"] != "delivery" and known["http"] in (400, 403, 404, 405) and not code.startswith("60")]


@pytest.mark.parametrize("code", AT_ONCE)
def test_each_refusal_is_explained_in_the_timeline(reached: Reached, code: int) -> None:
    """Where Twilio refuses WhatsApp's message at once, the timeline of the SMS in its place says why."""
    reached.twilio.fail(code, operation="CreateMessage")
    verification_id = reached.site.send().json["verification_id"]
    refused, sent = reached.site.call("GET", f"/verifications/{verification_id}").json["sends"]
    meaning = errors.meaning(code)
    assert (refused["delivery"], refused["error_code"], refused["error_class"], refused["explanation"]) == (
        "refused", code, meaning.error_class, meaning.sentence,
    )  # fmt: skip
    assert (sent["channel"], sent["error_code"], sent["explanation"]) == ("sms", None, None)


def test_read_and_delivered_are_told_apart(reached: Reached) -> None:
    verification_id, message = reached.sent("whatsapp")
    shown = []
    for status in ("queued", "sent", "delivered", "delivered", "read", "sent", "undelivered:63024"):
        reached.twilio.deliver(message, status)
        shown.append(reached.timeline(verification_id)["delivery"])
    assert shown == ["queued", "sent", "delivered", "delivered", "read", "read", "read"]
    assert [each["status"] for each in reached.timeline(verification_id)["receipts"]] == [
        "queued", "sent", "delivered", "read",
    ]  # fmt: skip


@pytest.mark.parametrize("changes", [
    {"MessageStatus": "teleported", "SmsStatus": "teleported"}, {"MessageStatus": ""}, {"MessageSid": "", "SmsSid": ""},
    {"ErrorCode": "x" * 99}, {"Price": "1", "": "", "Ü": "ü&=+%"},
])  # fmt: skip
def test_what_is_new_at_twilio_is_taken(reached: Reached, changes: dict[str, str]) -> None:
    """An unknown field or status is answered like any other."""
    _, message = reached.sent()
    form = webhooks.status_form(message.api, "sent") | changes
    assert reached.twilio.post(message.form["StatusCallback"], form)["status"] == 204


@pytest.mark.parametrize("shared_key", [None, ("k9", "s9")])
@pytest.mark.parametrize("as_json", [False, True])
def test_each_way_to_sign(reached: Reached, shared_key: tuple[str, str] | None, as_json: bool) -> None:
    """By the account's token or a shared key, a form or JSON."""
    verification_id, message = reached.sent()
    form = webhooks.status_form(message.api, "delivered")
    reached.twilio.shared_key = shared_key
    url, text = message.form["StatusCallback"], json.dumps(form)
    answer = reached.twilio.post(url, json_body=text) if as_json else reached.twilio.post(url, form)
    reached.twilio.shared_key = None
    assert answer["status"] == 204
    assert reached.timeline(verification_id)["delivery"] == "delivered"


def ask(reached: Reached, path: str, form: webhooks.Form, token: str = "faketoken1234567", **environ: Any) -> Any:
    """One signed request as the stand-in makes it, straight to the application."""
    signature = webhooks.sign(token, f"{reached.url}{path}", form)
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    return reached.site.call("POST", path, webhooks.urlencode(form).encode(), headers, **environ)


def test_what_is_not_signed_is_403_and_changes_nothing(reached: Reached) -> None:
    verification_id, message = reached.sent()
    path = message.form["StatusCallback"].removeprefix(reached.url)
    form = webhooks.status_form(message.api, "delivered")
    answers = [ask(reached, path, form, token=token) for token in ("", "wrong")]
    answers += [ask(reached, path, form, HTTP_X_TWILIO_SIGNATURE=text) for text in ("", "\xff", "x" * 28)]
    answers += [ask(reached, path, form, HTTP_X_TWILIO_WEBHOOKS_SIGNATURE_SETTINGS=said) for said in (
        "key=k9,algorithm=HMAC_SHA256", "key=k8,algorithm=HMAC_SHA256", "algorithm=HMAC_SHA256", "algorithm=NONE",
    )]  # fmt: skip
    assert [answer.status_code for answer in answers] == [403] * 9
    assert reached.timeline(verification_id)["receipts"] == []


@pytest.mark.parametrize("change", ["send", "verification", "message", "no id"])
def test_what_is_not_ours_is_404(reached: Reached, change: str) -> None:
    """Signed, and of another send, verification or message of the account."""
    verification_id, message = reached.sent()
    path = message.form["StatusCallback"].removeprefix(reached.url)
    form = webhooks.status_form(message.api, "delivered")
    if change == "message":
        form["MessageSid"] = "SM" + "f" * 32
    path = {
        "send": path[:-1] + ("1" if path[-1] == "0" else "0"), "no id": path.replace(verification_id, "VEx"),
        "verification": path.replace(verification_id, "VE" + "0" * 32), "message": path,
    }[change]  # fmt: skip
    assert ask(reached, path, form).status_code == 404
    assert reached.timeline(verification_id)["receipts"] == []


def test_a_server_may_wait_itself_before_it_sends_the_answer(
    reached: Reached, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It gets what waits, and asks again for the answer to what was raised then. Nobody else can ask so."""
    verification_id, message = reached.sent()
    path = message.form["StatusCallback"].removeprefix(reached.url)
    form = webhooks.status_form(message.api, "delivered")
    later: list[Any] = []
    said: list[tuple[str, str]] = []
    about = "0123456789abcdef-a"
    given = {LATER: later, "HTTP_X_REQUEST_ID": about}
    assert ask(reached, path, form, **given).status_code == 204
    assert reached.timeline(verification_id)["receipts"] == []
    caplog.set_level(logging.INFO, "otp_app")
    monkeypatch.setattr(log, "handle", lambda record: said.append((record.msg, request_id.get())))
    later.pop()()
    assert said == [("Delivered", about)]
    assert reached.timeline(verification_id)["delivery"] == "delivered"
    unknown = path.replace(verification_id, "VE" + "0" * 32)
    assert ask(reached, unknown, form, **{LATER: later}).status_code == 204
    with pytest.raises(VerificationNotFound) as fault:
        later.pop()()
    assert ask(reached, unknown, form, **{FAULT: fault.value}).status_code == 404


def padded(form: webhooks.Form, size: int) -> webhooks.Form:
    """The form, of this many bytes."""
    return form | {"x": "y" * (size - len(webhooks.urlencode(form | {"x": ""})))}


def test_a_receipt_may_have_16_kib(reached: Reached) -> None:
    """And no byte more: whoever has signed nothing may write one too, and it is read before that is known."""
    _, message = reached.sent()
    path = message.form["StatusCallback"].removeprefix(reached.url)
    form = webhooks.status_form(message.api, "delivered")
    answers = [ask(reached, path, padded(form, size)) for size in (16_384, 16_385)]
    assert [answer.status_code for answer in answers] == [204, 413]
    assert answers[1].json["error"] == "The body must not be larger than 16384 bytes"


def test_without_the_store_it_is_503(reached: Reached, monkeypatch: Any) -> None:
    _, message = reached.sent()

    def away(*_: Any) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(reached.site.services.store, "get", away)
    monkeypatch.setattr(reached.site.services.store, "swap", away)
    assert reached.twilio.deliver(message, "delivered")["status"] == 503


def test_the_document_has_it_while_it_is_served(reached: Reached) -> None:
    """With every status that these tests have seen."""
    document = reached.site.call("GET", "/openapi.json").json
    OpenAPIV31SpecValidator(document).validate()
    found = document["paths"]["/callbacks/twilio/status/{verification_id}/{send_id}"]["post"]
    assert (found["security"], {int(status) for status in found["responses"]}) == (
        [], {204, 400, 403, 404, 413, 429, 500, 503},
    )  # fmt: skip
    for status in found["responses"].values():
        resolve(document, status)
    assert reached.site.call("GET", "/docs").status_code == 200


# ---- who may call


@pytest.mark.parametrize(("host", "path", "closed", "keyed"), [
    ("otp.example.com", RECEIPT, 404, 404), ("OTP.example.com:443", RECEIPT, 404, 404),
    ("other.example.com", RECEIPT, 403, 400), ("127.0.0.1", RECEIPT, 403, 400),
    ("otp.example.com", "/send-otp", 403, 400),
])  # fmt: skip
@pytest.mark.parametrize("keys", ["", api_key("shop", "send", "right")])
def test_only_receipts_come_from_elsewhere_and_only_by_the_public_name(
    open_site: Any, keys: str, host: str, path: str, closed: int, keyed: int
) -> None:
    """Without keys the server stays closed to all else; with keys its trusted hosts hold for all else."""
    site = open_site(**ACCOUNT, otp_public_url=PUBLIC, otp_api_keys=keys, otp_trusted_hosts="localhost")
    form = {"MessageSid": "SM1", "MessageStatus": "sent"}
    headers = {"Host": host, "X-Twilio-Signature": webhooks.sign("faketoken1234567", PUBLIC + path, form)}
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    answer = site.call("POST", path, webhooks.urlencode(form).encode(), headers, **ELSEWHERE)
    assert answer.status_code == (keyed if keys else closed)


def test_without_a_public_url_there_is_no_such_path(open_site: Any) -> None:
    site = open_site(**ACCOUNT)
    assert site.post(RECEIPT, {}).status_code == 404


def test_without_a_token_nothing_is_signed(open_site: Any) -> None:
    """An empty secret signs nothing: a server without Twilio, whose public URL is set, takes no receipts."""
    site = open_site(otp_public_url=PUBLIC)
    headers = {"X-Twilio-Signature": webhooks.sign("", PUBLIC + RECEIPT, {})}
    assert site.call("POST", RECEIPT, b"", headers).status_code == 403


# ---- a running server


def test_a_message_that_whatsapp_drops_is_shown_and_logged(server: Any, fake_twilio: Any) -> None:
    """Twilio takes it, and says a moment later that there is no template."""
    running = server(start=False, OTP_CHANNELS="whatsapp", TWILIO_WHATSAPP_NUMBER="+14155238886")
    running.environment["OTP_PUBLIC_URL"] = running.url
    running.start()
    fake_twilio.script("whatsapp:+14155552671", "sent", "undelivered:63016")
    sent = running.post("/send-otp", {"phone_number": "+14155552671"}).json
    assert fake_twilio.drain()
    shown = running.call("GET", f"/verifications/{sent['verification_id']}").json
    (send,) = shown["sends"]
    assert (shown["status"], send["delivery"], send["receipts"][-1]["error_class"]) == (
        "pending", "undelivered", "template",
    )  # fmt: skip
    assert "TWILIO_CONTENT_SID" in send["receipts"][-1]["explanation"]
    assert [each["status"] for each in fake_twilio.callbacks] == [204, 204]
    (line,) = [json.loads(each) for each in running.log().splitlines() if '"Undelivered"' in each]
    assert (line["level"], line["provider_code"], line["to"]) == ("WARNING", 63016, "+1*******671")


def test_a_long_receipt_comes_through_gunicorn(server: Any, fake_twilio: Any) -> None:
    """Its worker waits for it."""
    running = server(start=False, OTP_CHANNELS="sms")
    running.environment["OTP_PUBLIC_URL"] = running.url
    running.start()
    fake_twilio.auto_deliver = False
    running.post("/send-otp", {"phone_number": "+14155552671"})
    (message,) = fake_twilio.messages
    url, form = message.form["StatusCallback"], webhooks.status_form(message.api, "delivered")
    assert [fake_twilio.post(url, padded(form, size))["status"] for size in (16_384, 16_385)] == [204, 413]
    assert running.post("/send-otp", b"x" * 17_000).status == 413
