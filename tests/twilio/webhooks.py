"""Twilio's side of status callbacks: what it posts to an application, and how it signs it.

The signature (header X-Twilio-Signature) is base64(HMAC-SHA1(auth token, DATA)); DATA is the full URL as
Twilio was given it, then, for a form, each parameter's name and value with nothing between them, sorted by
name. For a JSON body DATA is the URL alone, whose query then has bodySHA256=<hex SHA-256 of the raw body>.
A webhook signed with a shared key (public beta, 2026) has HMAC-SHA256 with that key instead, and says so in
X-Twilio-Webhooks-Signature-Settings. Checked against the validators of Twilio's Python and Node libraries.
"""
from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlencode

Form = dict[str, str]


def sign(secret: str, url: str, form: Form | None = None, algorithm: str = "sha1") -> str:
    """The value of X-Twilio-Signature."""
    data = url + "".join(name + value for name, value in sorted((form or {}).items()))
    return base64.b64encode(hmac.new(secret.encode(), data.encode(), algorithm).digest()).decode()


def status_form(message: dict[str, Any], status: str, error: str = "", template: bool = False,
                now: float | None = None) -> Form:
    """The fields of a status callback for a message (its API JSON), as captures of real ones have them."""
    form = {"MessageSid": message["sid"], "SmsSid": message["sid"], "MessageStatus": status, "SmsStatus": status,
            "To": message["to"], "From": message["from"] or "", "AccountSid": message["account_sid"],
            "ApiVersion": "2010-04-01"}
    if message["messaging_service_sid"]:
        form["MessagingServiceSid"] = message["messaging_service_sid"]
    if error:
        form["ErrorCode"] = error
    if message["to"].startswith("whatsapp:") and status != "queued":
        form |= {"ChannelPrefix": "whatsapp", "ChannelInstallSid": "XE" + "0" * 32,
                 "ChannelToAddress": message["to"][9:-4] + "XXXX"}
        if status == "sent":
            form["StructuredMessage"] = str(template).lower()
        elif status in ("delivered", "undelivered", "read"):
            form["EventType"] = status.upper()
    elif status in ("delivered", "undelivered"):
        form["RawDlrDoneDate"] = time.strftime("%y%m%d%H%M", time.gmtime(now))
    return form

def inbound_form(from_: str, to: str, body: str, account_sid: str = "AC" + "0" * 32) -> Form:
    """The fields of an incoming message, SMS or WhatsApp by the form of `from_`."""
    sid = "SM" + secrets.token_hex(16)
    form = {"MessageSid": sid, "SmsSid": sid, "SmsMessageSid": sid, "SmsStatus": "received", "NumMedia": "0",
            "NumSegments": "1", "AccountSid": account_sid, "ApiVersion": "2010-04-01",
            "From": from_, "To": to, "Body": body}  # fmt: skip
    if from_.startswith("whatsapp:"):
        who = {"ProfileName": "Test User", "WaId": from_.removeprefix("whatsapp:+")}
        form |= who | {"MessageType": "text", "ReferralNumMedia": "0",
                       "ChannelMetadata": json.dumps({"type": "whatsapp", "data": {"context": who}})}  # fmt: skip
    return form


def post(url: str, secret: str, form: Form | None = None, json_body: str | None = None,
         shared_key_id: str = "", timeout: float = 15.0) -> dict[str, Any]:
    """Post a signed webhook, a form or JSON. Returns url, form, headers, status (0: no answer) and answer."""
    headers = {"User-Agent": "TwilioProxy/1.1", "Accept": "*/*",
               "I-Twilio-Idempotency-Token": secrets.token_hex(18), "Content-Type": "application/x-www-form-urlencoded"}
    data = urlencode(form or {}).encode()
    if json_body is not None:
        data = json_body.encode()
        url += ("&" if "?" in url else "?") + "bodySHA256=" + hashlib.sha256(data).hexdigest()
        headers["Content-Type"] = "application/json"
    if shared_key_id:
        headers["X-Twilio-Webhooks-Signature-Settings"] = f"key={shared_key_id},algorithm=HMAC_SHA256"
    headers["X-Twilio-Signature"] = sign(secret, url, form if json_body is None else None,
                                         "sha256" if shared_key_id else "sha1")
    record: dict[str, Any] = {"url": url, "form": form or {}, "headers": headers, "status": 0}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=timeout) as answer:
            record |= {"status": answer.status, "answer": answer.read().decode("utf-8", "replace")}
    except urllib.error.HTTPError as e:
        record |= {"status": e.code, "answer": e.read().decode("utf-8", "replace")}
    except OSError as e:
        record["answer"] = str(e)
    return record
