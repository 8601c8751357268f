"""The Verify v2 part of the fake: verifications and their checks, in memory."""
# ruff: noqa: N802  the handlers are named after the operations in Twilio's documents
from __future__ import annotations

import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable

from tests.twilio.twilio_model import E164, MAGIC_TO, Call, TwilioError
from tests.twilio.twilio_spec import Json

CHANNELS = ("sms", "call", "whatsapp")


class FakeVerify:
    """Handlers named after the documents' operations. Limits as Twilio documents them: a code lives ten
    minutes, is the same for each resend, and allows five sends (60203) and five checks (60202); once
    approved, canceled or expired, a verification is not found (20404)."""

    def __init__(self, account_sid: str, clock: Callable[[], float]) -> None:
        self.account_sid, self.clock = account_sid, clock
        self.ttl, self.max_sends, self.max_checks = 600.0, 5, 5
        self.services: set[str] = set()         # known VA…; empty: every one
        self.verifications: dict[tuple[str, str], Json] = {}
        self._lock = threading.RLock()

    def code_for(self, to: str) -> str | None:
        """The code of the newest verification of an address."""
        found = [v for v in self.verifications.values() if v["to"] == to]
        return str(max(found, key=lambda v: float(v["made"]))["code"]) if found else None

    def _iso(self, when: float) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))

    def _pending(self, call: Call, key: str, resource: str) -> Json:
        for v in self.verifications.values():
            if v["service_sid"] == call.params["ServiceSid"] and key in (v["sid"], v["to"]) and self._is_open(v):
                return v
        raise TwilioError(20404, f"/Services/{call.params['ServiceSid']}/{resource}")

    def _is_open(self, v: Json) -> bool:
        return bool(v["status"] == "pending" and self.clock() - v["made"] < self.ttl)

    def _show(self, v: Json, check: bool = False) -> Json:
        shown = {k: v[k] for k in ("sid", "service_sid", "account_sid", "to", "channel", "status")}
        shown |= {"valid": v["status"] == "approved", "amount": None, "payee": None,
                  "date_created": self._iso(v["made"]), "date_updated": self._iso(self.clock())}
        if check:
            return shown | {"sna_attempts_error_codes": []}
        return shown | {"lookup": {}, "sna": None, "send_code_attempts": v["sends"],
                        "url": f"https://verify.twilio.com/v2/Services/{v['service_sid']}/Verifications/{v['sid']}"}

    def on_CreateVerification(self, call: Call) -> Json:
        service, to, channel = call.params["ServiceSid"], call.get("To"), call.get("Channel")
        if self.services and service not in self.services:
            raise TwilioError(20404, f"/Services/{service}")
        if channel not in CHANNELS:
            raise TwilioError(60200, "Channel", channel)
        if to in MAGIC_TO or not E164.fullmatch(to):
            raise TwilioError(60200, "To", to)
        call.require_spec()
        with self._lock:
            v = self.verifications.get((service, to))
            if v is None or not self._is_open(v):
                v = {"sid": "VE" + secrets.token_hex(16), "service_sid": service, "account_sid": self.account_sid,
                     "to": to, "status": "pending", "made": self.clock(), "sends": [], "checks": 0,
                     "code": f"{secrets.randbelow(10**6):06d}"}
                self.verifications[service, to] = v
            if len(v["sends"]) >= self.max_sends:
                raise TwilioError(60203)
            v["channel"] = channel
            v["sends"].append({"time": self._iso(self.clock()), "channel": v["channel"].upper(),
                               "attempt_sid": "VL" + secrets.token_hex(16)})
            return self._show(v)

    def on_UpdateVerification(self, call: Call) -> Json:
        v = self._pending(call, call.params["Sid"], f"Verifications/{call.params['Sid']}")
        if call.get("Status") not in ("canceled", "approved"):
            raise TwilioError(60200, "Status", call.get("Status"))
        v["status"] = call.get("Status")
        return self._show(v)

    def on_CreateVerificationCheck(self, call: Call) -> Json:
        key, code = call.get("VerificationSid") or call.get("To"), call.get("Code")
        if not key or not re.fullmatch(r"\w{4,10}", code):
            raise TwilioError(60200, "Code" if key else "To", code)
        call.require_spec()
        with self._lock:
            v = self._pending(call, key, "VerificationCheck")
            if v["checks"] >= self.max_checks:
                raise TwilioError(60202)
            v["checks"] += 1
            if hmac.compare_digest(code.encode(), v["code"].encode()):
                v["status"] = "approved"
            return self._show(v, check=True)
