"""The account of the fake, which `doctor` asks about: status, numbers, senders, services, templates."""
# ruff: noqa: N802  the handlers are named after the operations in Twilio's documents
from __future__ import annotations

from tests.twilio.twilio_model import Call, TwilioError
from tests.twilio.twilio_spec import Json


class FakeAccount:
    """What a test sets is what the operations answer; everything is in order at first."""

    def __init__(self, account_sid: str) -> None:
        self.account_sid = account_sid
        self.status, self.type = "active", "Full"
        self.numbers = {"+14155550100": True}                       # own number -> whether it can send SMS
        self.whatsapp = {"whatsapp:+14155550101": "ONLINE"}         # sender -> status
        self.pools: dict[str, list[str]] = {"MG" + "1" * 32: ["+14155550100"]}  # messaging service -> senders
        self.templates: dict[str, Json] = {"HX" + "1" * 32: template()}
        self.code_length = 6                                        # of Verify services

    def on_FetchAccount(self, call: Call) -> Json:
        return {"sid": self.account_sid, "status": self.status, "type": self.type, "friendly_name": "Fake"}

    def on_ListMessage(self, call: Call) -> Json:
        return {"messages": [], "page": 0, "page_size": 1, "uri": call.path, "next_page_uri": None}

    def on_ListIncomingPhoneNumber(self, call: Call) -> Json:
        found = [number for number in self.numbers if call.get("PhoneNumber") in ("", number)]
        shown = [{"sid": "PN" + "1" * 32, "phone_number": number, "capabilities": {"sms": self.numbers[number]}}
                 for number in found]
        return {"incoming_phone_numbers": shown, "page": 0, "uri": call.path, "next_page_uri": None}

    def on_ListChannelsSender(self, call: Call) -> Json:
        shown = [{"sid": "XE" + "1" * 32, "sender_id": sender, "status": status, "offline_reasons": None}
                 for sender, status in self.whatsapp.items()]
        return {"senders": shown, "meta": _meta("senders")}

    def on_FetchService(self, call: Call) -> Json:
        sid = call.params["Sid"]
        if sid.startswith("VA"):
            return {"sid": sid, "code_length": self.code_length}
        return {"sid": sid, "friendly_name": str(len(self._pool(sid)))}

    def on_ListPhoneNumber(self, call: Call) -> Json:
        pool = self._pool(call.params["ServiceSid"])
        shown = [{"sid": "PN" + "1" * 32, "phone_number": sender, "capabilities": ["SMS"]}
                 for sender in pool if sender.startswith("+")]
        return {"phone_numbers": shown, "meta": _meta("phone_numbers")}

    def on_ListChannelSender(self, call: Call) -> Json:
        pool = self._pool(call.params["MessagingServiceSid"])
        shown = [{"sid": "XE" + "1" * 32, "sender": sender, "sender_type": "WhatsApp"}
                 for sender in pool if not sender.startswith("+")]
        return {"senders": shown, "meta": _meta("senders")}

    def on_FetchContent(self, call: Call) -> Json:
        found = self._template(call)
        return {"sid": call.params["Sid"], "language": found["language"], "types": found["types"],
                "variables": {"1": "123456"}}

    def on_FetchApprovalFetch(self, call: Call) -> Json:
        return {"sid": call.params["Sid"], "whatsapp": self._template(call)["approval"]}

    def _pool(self, sid: str) -> list[str]:
        if sid not in self.pools:
            raise TwilioError(20404, f"/Services/{sid}")
        return self.pools[sid]

    def _template(self, call: Call) -> Json:
        if call.params["Sid"] not in self.templates:
            raise TwilioError(20404, call.path)
        return self.templates[call.params["Sid"]]


def template(status: str = "approved", category: str = "AUTHENTICATION", minutes: int | None = 5,
             body: str = "", language: str = "en") -> Json:
    """Return a template, as Twilio has it: one for codes, or one with a text."""
    kind: Json = {"whatsapp/authentication": {"add_security_recommendation": True, "code_expiration_minutes": minutes,
                                              "actions": [{"type": "COPY_CODE", "copy_code_text": "Copy"}]}}
    approval = {"type": "whatsapp", "name": "code", "category": category, "status": status, "rejection_reason": ""}
    return {"types": {"twilio/text": {"body": body}} if body else kind, "approval": approval, "language": language}


def _meta(key: str) -> Json:
    return {"key": key, "page": 0, "page_size": 20, "url": None, "first_page_url": None, "next_page_url": None,
            "previous_page_url": None}
