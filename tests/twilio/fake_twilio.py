"""A stand-in for Twilio on loopback, with the standard library only.

It checks every request against Twilio's own OpenAPI documents (where Specs.at_hand finds them), keeps messages in
memory, and answers with Twilio's error codes, those of test magic numbers included.

    python -m tests.twilio.fake_twilio --port 4010   # for any language; GET /_fake/code?to=NUMBER: the last code
"""
# ruff: noqa: C901, N802, N815  the handlers are named after the operations in Twilio's documents
from __future__ import annotations

import argparse
import base64
import json
import re
import secrets
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.twilio import webhooks
from tests.twilio.fake_account import FakeAccount
from tests.twilio.fake_verify import FakeVerify
from tests.twilio.twilio_model import E164, MAGIC_FROM, MAGIC_TO, Call, Fault, Sent, TwilioError
from tests.twilio.twilio_spec import Json, NoSuchMethod, NoSuchPath, Specs


class FakeTwilio:
    """The server and its memory. The public attributes may be set at any time."""

    def __init__(self, account_sid: str = "AC" + "0" * 32, auth_token: str = "faketoken1234567", *, strict: bool = True,
                 clock: Callable[[], float] = time.time) -> None:
        self.account_sid, self.auth_token, self.clock = account_sid, auth_token, clock
        self.strict = strict                        # 400/20001 for what the documents do not allow
        self.api_keys: dict[str, str] = {}          # SK… -> secret
        self.senders: set[str] = set()              # own senders; empty: every sender is ours
        self.contents: dict[str, str] = {}          # HX… -> text with {{1}}; empty: every ContentSid
        self.latency = 0.0                          # seconds
        self.delay = 0.0                            # seconds before each status of a plan
        self.auto_deliver = True                    # run each message's plan of statuses by itself
        self.shared_key: tuple[str, str] | None = None  # (id, secret): sign webhooks with HMAC-SHA256
        self.verify = FakeVerify(account_sid, clock)
        self.account = FakeAccount(account_sid)
        self.specs, self.url = Specs.at_hand(), ""
        self._lock, self._busy = threading.RLock(), 0
        self.calls: list[Call] = []
        self.messages: list[Sent] = []
        self.violations: list[str] = []             # what requests departed from the documents in
        self.faults: list[Fault] = []
        self.callbacks: list[Json] = []             # each webhook posted: url, form, headers, status, answer
        self.scripts: dict[str, list[str]] = {}     # To -> statuses

    # ---- running ---------------------------------------------------------------------------
    def start(self, host: str = "127.0.0.1", port: int = 0) -> FakeTwilio:
        self._server = ThreadingHTTPServer((host, port), type("Handler", (_Handler,), {"fake": self}))
        self._server.daemon_threads = True
        self.url = f"http://{host}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    __enter__ = start

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ---- what a test says ------------------------------------------------------------------
    def fail(self, code: int, times: int = 1, **how: Any) -> None:
        """Let the next `times` requests fail with a Twilio code. `how`: fields of Fault, such as
        to=, operation="CreateMessage", status=, retry_after=; drop=True hangs up without an answer."""
        self.faults.append(Fault(code, times, **how))

    def script(self, to: str, *statuses: str) -> None:
        """What messages to this address go through: "sent", "undelivered:30003"."""
        self.scripts[to] = list(statuses)

    def drain(self, timeout: float = 30.0) -> bool:
        """Wait until no callback is under way."""
        end = time.monotonic() + timeout
        while self._busy and time.monotonic() < end:
            time.sleep(0.005)
        return not self._busy

    def deliver(self, sent: Sent, status: str) -> Json:
        """Move a message on ("failed:30008") and post its status callback."""
        name, _, error = status.partition(":")
        sent.api.update(status=name, date_updated=self._rfc2822(), error_code=int(error) if error else None)
        form = webhooks.status_form(sent.api, name, error, "ContentSid" in sent.form, self.clock())
        return self.post(sent.form["StatusCallback"], form)

    def post(self, url: str, form: dict[str, str] | None = None, json_body: str | None = None) -> Json:
        """Post a signed webhook, a form or JSON; it is kept in `callbacks`."""
        key_id, secret = self.shared_key or ("", self.auth_token)
        self.callbacks.append(webhooks.post(url, secret, form, json_body, key_id))
        return self.callbacks[-1]

    def _run_plan(self, sent: Sent) -> None:
        try:
            for status in sent.plan:
                time.sleep(self.delay)
                self.deliver(sent, status)
        finally:
            with self._lock:
                self._busy -= 1

    def code_for(self, to: str) -> str | None:
        """The code last sent to a number."""
        if code := self.verify.code_for(to):
            return code
        texts = (m.code for m in reversed(self.messages) if m.api["to"].endswith(to) and m.code)
        return next(texts, None)

    # ---- answering -------------------------------------------------------------------------
    def answer(self, call: Call) -> tuple[int, Json | None]:
        """The HTTP status and JSON for a request; raises TwilioError."""
        try:
            op, call.params = self.specs.find(call.method, call.path)
        except NoSuchPath:
            raise TwilioError(20404, call.path) from None
        except NoSuchMethod:
            raise TwilioError(20004) from None
        call.operation, call.strict = op["operationId"], self.strict
        self._authenticate(call)
        self._inject_fault(call)
        content_type = call.headers.get("content-type", "").split(";")[0]
        call.problems = self.specs.request_problems(op, call.params, content_type, call.form, call.body)
        self.violations += [f"{call.method} {call.path}: {p}" for p in call.problems]
        status = int(min(s for s in op["responses"] if s.startswith("2")))
        for part in (self, self.verify, self.account):
            if handler := getattr(part, "on_" + call.operation, None):
                return status, handler(call)
        call.require_spec()          # no handler: answer the documents' first example
        media = op["responses"][str(status)].get("content", {}).get("application/json", {})
        return status, next((e["value"] for e in media.get("examples", {}).values()), None)

    def _authenticate(self, call: Call) -> None:
        given = base64.b64decode(call.headers.get("authorization", "")[6:] + "==").decode("utf-8", "replace")
        user, _, secret = given.partition(":")
        if call.params.get("AccountSid", self.account_sid) != self.account_sid:
            raise TwilioError(20404, call.path)
        if not secret or secret != (self.auth_token if user == self.account_sid else self.api_keys.get(user)):
            raise TwilioError(20003)

    def _inject_fault(self, call: Call) -> None:
        with self._lock:
            for fault in self.faults:
                if fault.operation in (None, call.operation) and fault.to in (None, call.get("To")):
                    break
            else:
                return
            fault.times -= 1
            if fault.times <= 0:
                self.faults.remove(fault)
        if fault.drop:
            raise ConnectionAbortedError
        raise TwilioError(fault.code, call.get("To"), status=fault.status, message=fault.message,
                          retry_after=fault.retry_after)

    def _rfc2822(self) -> str:
        return formatdate(self.clock()).replace("-0000", "+0000")

    # ---- Messages --------------------------------------------------------------------------
    def on_CreateMessage(self, call: Call) -> Json:
        to, sender, service = call.get("To"), call.get("From"), call.get("MessagingServiceSid")
        text = self._check_message(call, to, sender, service)
        call.require_spec()
        sid = "SM" + secrets.token_hex(16)
        uri = f"/2010-04-01/Accounts/{self.account_sid}/Messages/{sid}"
        api = {"account_sid": self.account_sid, "api_version": "2010-04-01", "body": text, "sid": sid, "to": to,
               "from": sender or None, "messaging_service_sid": service or None, "direction": "outbound-api",
               "status": "accepted" if service else "queued", "error_code": None, "error_message": None,
               "date_created": self._rfc2822(), "date_updated": self._rfc2822(), "date_sent": None,
               "num_media": str(len(call.form.get("MediaUrl", []))), "num_segments": "1",
               "price": None, "price_unit": "USD", "uri": uri + ".json",
               "subresource_uris": {"media": uri + "/Media.json"}}
        plan = ["queued"] * bool(service) + ["sent", "delivered"]
        sent = Sent(api, {k: v[-1] for k, v in call.form.items()}, text, self.scripts.get(to, plan))
        answer = dict(api)
        reports = self.auto_deliver and "StatusCallback" in sent.form
        with self._lock:
            self.messages.append(sent)
            self._busy += reports
        if reports:
            threading.Thread(target=self._run_plan, args=(sent,), daemon=True).start()
        return answer

    def _check_message(self, call: Call, to: str, sender: str, service: str) -> str:
        """Twilio's own checks; returns the text that the recipient reads."""
        number, whatsapp = to.removeprefix("whatsapp:"), to.startswith("whatsapp:")
        if not to:
            raise TwilioError(21604)
        if not sender and not service:
            raise TwilioError(21603)
        if not E164.fullmatch(number):
            raise TwilioError(21211, to)
        if sender and sender.startswith("whatsapp:") != whatsapp:
            raise TwilioError(21910)
        if sender in MAGIC_FROM:
            raise TwilioError(MAGIC_FROM[sender], sender)
        if sender and self.senders and sender not in self.senders:
            raise TwilioError(63007 if whatsapp else 21606, sender)
        if number in MAGIC_TO:
            raise TwilioError(MAGIC_TO[number], to)
        text = self._content(call)
        if not text and "MediaUrl" not in call.form:
            raise TwilioError(21602)
        if len(text) > 1600:
            raise TwilioError(21617)
        callback, validity = call.get("StatusCallback"), call.get("ValidityPeriod") or "1"
        if callback and not re.match(r"https?://[A-Za-z0-9.\-\[\]:]+(/|\?|$)", callback):
            raise TwilioError(21609, callback)
        if not (validity.isdecimal() and 1 <= int(validity) <= 36000):
            raise TwilioError(21624, validity)
        return text

    def _content(self, call: Call) -> str:
        sid, raw = call.get("ContentSid"), call.get("ContentVariables")
        if not sid:
            if raw:
                raise TwilioError(21654)
            return call.get("Body")
        if not re.fullmatch("HX[0-9a-fA-F]{32}", sid) or (self.contents and sid not in self.contents):
            raise TwilioError(21655, sid)
        try:
            variables = json.loads(raw or "{}")
        except ValueError:
            variables = None
        if not isinstance(variables, dict) or not all(v and isinstance(v, str) for v in variables.values()):
            raise TwilioError(21656)
        text = self.contents.get(sid) or " ".join(f"{{{{{name}}}}}" for name in variables)
        return re.sub(r"{{(\w+)}}", lambda m: variables.get(m[1], m[0]), text)


class _Handler(BaseHTTPRequestHandler):
    fake: FakeTwilio
    protocol_version = "HTTP/1.1"
    wbufsize, disable_nagle_algorithm = -1, True    # an answer in one packet: 2 ms instead of 44

    def _serve(self) -> None:
        split = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("utf-8", "replace")
        form = parse_qs(split.query, keep_blank_values=True)
        if self.headers.get_content_type() == "application/x-www-form-urlencoded":
            form |= parse_qs(body, keep_blank_values=True)
        call = Call(self.command, split.path, {k.lower(): v for k, v in self.headers.items()}, form, body)
        headers = {"Content-Type": "application/json", "Twilio-Request-Id": "RQ" + secrets.token_hex(16)}
        result: Any
        try:
            if split.path == "/_fake/code":
                status, result = 200, {"code": self.fake.code_for(form["to"][-1])}
            else:
                self.fake.calls.append(call)
                time.sleep(self.fake.latency)
                status, result = self.fake.answer(call)
        except ConnectionAbortedError:
            self.close_connection = True
            return
        except TwilioError as e:
            status, result = e.status, {"code": e.code, "message": e.message, "status": e.status,
                                        "more_info": f"https://www.twilio.com/docs/errors/{e.code}"}
            if e.retry_after is not None:
                headers["Retry-After"] = str(e.retry_after)
        except (LookupError, TypeError, ValueError, AttributeError) as e:
            status, result = 400, {"code": 20001, "message": f"fake_twilio: {e!r}", "status": 400, "more_info": ""}
        data = b"" if result is None else json.dumps(result).encode()
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(data))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = do_OPTIONS = do_TRACE = _serve

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(self.fake.clock(), usegmt=True)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description="A stand-in for Twilio on loopback.")
    parser.add_argument("--port", type=int, default=4010)
    parser.add_argument("--account-sid", default="AC" + "0" * 32)
    parser.add_argument("--auth-token", default="faketoken1234567")
    parser.add_argument("--lenient", action="store_true", help="accept what the documents do not allow")
    parser.add_argument("--script", action="append", default=[], metavar="TO=STATUS,…", help="what messages go through")
    parser.add_argument("--delay", type=float, default=0.0, metavar="SECONDS", help="before each of these statuses")
    args = parser.parse_args()
    fake = FakeTwilio(args.account_sid, args.auth_token, strict=not args.lenient)
    fake.scripts = {to: statuses.split(",") for to, _, statuses in (each.partition("=") for each in args.script)}
    fake.delay = args.delay
    fake.start(port=args.port)
    print(f"fake Twilio at {fake.url}  account {fake.account_sid}  token {fake.auth_token}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
