"""Acceptance check of a server that offers Twilio Verify v2: Twilio's own Python client drives it.

    python -m tests.apis.verify_v2.clients.dropin_check --base http://127.0.0.1:8000 --code-url http://127.0.0.1:4010/_fake/code

--base      the server under test (its service, account and token: --service, --account, --token)
--code-url  where ?to=NUMBER tells the code last sent, as tests.twilio.fake_twilio does: let the server under
            test send through that one, and the whole way is covered
Prints one line a check, exits 1 if one fails. Where Twilio's documents are at hand (tests/twilio/twilio_spec.py),
each answer is held to them; one that does not fit is a FAIL of its own. Numbers +1415333xxxx are used; start with
an empty store.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from tests.twilio.twilio_spec import NoSuchPath, Specs

Answer = tuple[int, int] | str


class Check:
    """The checks, one method a number; `failed` names those that did."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.specs = args, Specs.at_hand()
        self.failed: list[str] = []

    def all(self) -> None:
        self.approval()
        self.cancellation()
        self.limits()
        self.refusals()

    def same(self, name: str, got: Any, wanted: Any) -> None:
        fits = got == wanted
        print(f"{'ok  ' if fits else 'FAIL'} {name}" + ("" if fits else f": {got!r}, expected {wanted!r}"))
        if not fits:
            self.failed.append(name)

    def service(self, token: str = "") -> Any:
        """Twilio's client at the service; every answer that it gets is looked at."""
        client = Client(self.args.account, token or self.args.token)
        client.verify.base_url = self.args.base
        client.http_client.request_hooks["response"] = [self.look]
        return client.verify.v2.services(self.args.service)

    def look(self, response: Any, **_: Any) -> None:
        prefix = urllib.parse.urlsplit(self.args.base).path.rstrip("/")
        where = response.request.path_url.split("?")[0].removeprefix(prefix)
        try:
            operation, _params = self.specs.find(response.request.method, where)
            problems = self.specs.answer_problems(operation, response.status_code, response.json())
        except (NoSuchPath, ValueError) as error:
            problems = [repr(error)]
        if problems:
            self.same(f"{response.request.method} {where} fits the document", problems, [])

    def code(self, to: str) -> str:
        """The code that a number received last."""
        query = urllib.parse.urlencode({"to": to})
        with urllib.request.urlopen(f"{self.args.code_url}?{query}", timeout=5) as answer:
            return str(json.load(answer)["code"])

    def approval(self) -> None:
        """From the first message to the approval, by way of a wrong code and a resend."""
        service, to = self.service(), "+14153330001"
        verifications, checks = service.verifications, service.verification_checks
        started = verifications.create(to=to, channel="sms")
        self.same("a verification starts pending", (started.status, started.valid, started.to), ("pending", False, to))
        right = self.code(to)
        self.same("a wrong code leaves it pending", checks.create(to=to, code=other(right)).status, "pending")
        self.same("a resend keeps the Sid", verifications.create(to=to, channel="sms").sid, started.sid)
        self.same("a resend keeps the code", self.code(to), right)
        self.same("it can be fetched by Sid", service.verifications(started.sid).fetch().status, "pending")
        done = checks.create(verification_sid=started.sid, code=right)
        self.same("the right code approves", (done.status, done.valid, done.sid), ("approved", True, started.sid))
        self.same("a code works once", refused(lambda: checks.create(to=to, code=right)), (404, 20404))

    def cancellation(self) -> None:
        service, to = self.service(), "+14153330002"
        started = service.verifications.create(to=to, channel="whatsapp")
        self.same("WhatsApp is a channel", (started.status, started.channel), ("pending", "whatsapp"))
        canceled = service.verifications(started.sid).update(status="canceled")
        self.same("it can be canceled", canceled.status, "canceled")
        late = refused(lambda: service.verification_checks.create(to=to, code=self.code(to)))
        self.same("canceled is gone", late, (404, 20404))

    def limits(self) -> None:
        service, to = self.service(), "+14153330003"
        sends = [refused(lambda: service.verifications.create(to=to, channel="sms")) for _ in range(6)]
        self.same("the sixth send is refused", sends[-2:], ["accepted: pending", (429, 60203)])
        wrong = other(self.code(to))
        attempts = [refused(lambda: service.verification_checks.create(to=to, code=wrong)) for _ in range(6)]
        self.same("the sixth check is refused", attempts[-2:], ["accepted: pending", (429, 60202)])

    def refusals(self) -> None:
        service, to = self.service(), "+14153330004"
        create = service.verifications.create
        self.same("a bad number", refused(lambda: create(to="12345", channel="sms")), (400, 60200))
        self.same("a bad channel", refused(lambda: create(to=to, channel="pigeon")), (400, 60200))
        unknown = refused(lambda: service.verifications("VE" + "f" * 32).fetch())
        self.same("an unknown Sid", unknown, (404, 20404))
        stranger = self.service("wrong").verifications
        self.same("a wrong token", refused(lambda: stranger.create(to=to, channel="sms")), (401, 20003))


def other(code: str) -> str:
    """A code of the same length that is not this one."""
    return "0" * len(code) if code[0] != "0" else "1" * len(code)


def refused(call: Callable[[], Any]) -> Answer:
    """The HTTP status and Twilio's code with which a call was refused, or that it was accepted."""
    try:
        return f"accepted: {call().status}"
    except TwilioRestException as error:
        return error.status, error.code


def main() -> int:
    """Run every check; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True)
    parser.add_argument("--code-url", required=True)
    parser.add_argument("--account", default="AC" + "0" * 32)
    parser.add_argument("--token", default="faketoken")
    parser.add_argument("--service", default="VA" + "1" * 32)
    check = Check(parser.parse_args())
    check.all()
    print(f"{len(check.failed)} failed")
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
