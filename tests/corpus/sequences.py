"""Sequences of the corpus: several calls about one number, and what they may amount to."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.corpus.invariants import Service
from tests.corpus.placeholders import ROUTES, Placeholders
from tests.running import Answer

TRIES = 5
AFTER_GAP = "after_gap"  # the step comes after the resend gap: such sequences run on a server without gaps
RESTART = "restart"


class Sequence:
    """One sequence on one server. `accepted` and `statuses` grow with its steps."""

    def __init__(self, service: Service, data: dict[str, Any]) -> None:
        self.service, self.data = service, data
        self.values = Placeholders(service.server, service.provider, service.numbers)
        self.accepted, self.wrong_attempts, self.id = 0, 0, ""
        self.problems: list[str] = []

    def run(self) -> list[str]:
        """Do all steps; returns what is wrong, a sentence each."""
        for step in self.data["steps"]:
            if RESTART in step:
                self._restart()
            else:
                _STEPS[step["target"]](self, step)
        for name, value in self.data["inv"].items():
            _INVARIANTS[name](self, value)
        return self.problems

    def _restart(self) -> None:
        self.service.server.stop()
        self.service.server.start()

    def _send(self, step: dict[str, Any]) -> None:
        for spelling in step.get("list") or ["{{PHONE}}"] * step.get("repeat", 1):
            answer = self._post(step, phone_number=self.values.fill(spelling))
            if answer.status not in step.get("expect", (200, 202, 429)):
                self.problems.append(f"{step['target']} {spelling}: {answer.status} {answer.json}")
            if answer.status in (200, 202):
                self.id = answer.json["verification_id"]

    def _verify(self, step: dict[str, Any]) -> None:
        code, wrong = self.code, _count(step.get("wrong", 0))
        attempts = [f"{(int(code) + 1 + n) % 10 ** len(code):0{len(code)}d}" for n in range(wrong)]
        for given in (*attempts, *[code] * step.get("right", 0)):
            self._judge(given, self._attempt(step, given))
        parallel = [code] * step.get("right_parallel", 0) + [
            f"{(int(code) + 1 + n) % 10 ** len(code):0{len(code)}d}" for n in range(step.get("wrong_parallel", 0))
        ]
        if parallel:
            with ThreadPoolExecutor(len(parallel)) as clients:
                answers = clients.map(lambda given: self._attempt(step, given), parallel)
                for given, answer in zip(parallel, answers, strict=True):
                    self._judge(given, answer)

    def _cancel(self, step: dict[str, Any]) -> None:
        answer = self.service.server.call("DELETE", f"/verifications/{self.id}")
        if answer.status not in (200, 204):
            self.problems.append(f"DELETE: {answer.status} {answer.json}")

    @property
    def code(self) -> str:
        """The live code."""
        return self.values.code

    def _attempt(self, step: dict[str, Any], given: str) -> Answer:
        who = {"verification_id": self.id} if step.get("by") == "id" else {"phone_number": self.values.phone}
        return self._post(step, otp=given, **who)

    def _post(self, step: dict[str, Any], **fields: str) -> Answer:
        fields |= {"purpose": step["purpose"]} if "purpose" in step else {}
        return self.service.server.post(ROUTES[step["target"]], fields, step.get("headers"))

    def _judge(self, given: str, answer: Answer) -> None:
        self.accepted += answer.status == 200
        self.wrong_attempts += given != self.code
        if answer.status == 200 and given != self.code:
            self.problems.append(f"a wrong code was accepted: {answer.json}")
        if answer.status not in (200, 400, 429):
            self.problems.append(f"check: {answer.status} {answer.json}")

    def _max_sends(self, most: int) -> None:
        sent = [post for post in self.service.provider.posts if post.number == self.values.phone]
        if len(sent) > most:
            self.problems.append(f"{len(sent)} messages, at most {most}")

    def _accepted_exactly(self, times: int) -> None:
        if self.accepted != times:
            self.problems.append(f"accepted {self.accepted} times, not {times}")

    def _max_wrong_evaluated(self, most: int | str) -> None:
        """After that many attempts the verification is dead, and the right code cannot wake it."""
        if self.wrong_attempts >= _count(most):
            self._then_right_code("refused")

    def _then_right_code(self, what: str) -> None:
        status = self._attempt({"target": "VERIFY"}, self.code).status
        if status != {"refused": 400, "accepted": 200}[what]:
            self.problems.append(f"afterwards the right code is answered {status}")


def _count(written: int | str) -> int:
    """A number of tries: 20, "A" for all there are, "A-1"."""
    return TRIES + int(written.removeprefix("A") or 0) if isinstance(written, str) else written


_STEPS: dict[str, Callable[[Sequence, dict[str, Any]], None]] = {
    "SEND": Sequence._send, "RESEND": Sequence._send, "VERIFY": Sequence._verify, "CANCEL": Sequence._cancel,
}  # fmt: skip
_INVARIANTS: dict[str, Callable[[Sequence, Any], None]] = {
    "max_sends": Sequence._max_sends, "accepted_exactly": Sequence._accepted_exactly,
    "max_wrong_evaluated": Sequence._max_wrong_evaluated, "then_right_code": Sequence._then_right_code,
}  # fmt: skip
