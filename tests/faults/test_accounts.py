"""Accounts while PostgreSQL, which has the store too, ends under load: what was answered is still true afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.faults.load import Clients
from tests.history import Event
from tests.provider import Provider
from tests.running import Answer, RunningServer, wait_until
from tests.services import Postgres

SERVICE = "/auth.AuthService/"


class SignUps(Clients):
    """Clients that sign up, verify the code twice, and look at their profile. A number has one verification."""

    def __init__(self, server: RunningServer, provider: Provider) -> None:
        super().__init__(server, provider)
        self.tokens: dict[str, str] = {}

    def send(self, number: str, path: str = "SignupWithPhoneNumber") -> Event:
        """Sign up."""
        return self._rpc("send", number, "", path, {"phone_number": number})

    def attempt(self, number: str, code: str) -> Event:
        """Verify; keep the session's token."""
        tried = self._rpc("check", number, code, "VerifyPhoneNumber", {"phone_number": number, "otp": code})
        if tried.accepted:
            self.tokens[number] = tried.answer["session_token"]
        return tried

    def status(self, number: str, verification_id: str) -> Event:
        """Look at the profile."""
        return self.history.record("profile", number, verification_id, lambda: self.profile(number))

    def profile(self, number: str) -> Answer:
        """The user's profile, by its session."""
        headers = {"Authorization": f"Bearer {self.tokens[number]}"}
        return self.server.post(f"{SERVICE}GetProfile", {"phone_number": number}, headers)

    def _rpc(self, op: str, number: str, given: str, name: str, body: Mapping[str, Any]) -> Event:
        def request() -> Answer:
            answer = self.server.post(SERVICE + name, body)
            known = {"verification_id": number, "expires_in": 300} if answer.status == 200 else {}
            return answer._replace(json=answer.json | known)

        return self.history.record(op, number, given, request, "signup")


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_accounts_outlive_postgres(
    server: Callable[..., RunningServer], fake_twilio: Provider, postgres: Postgres, end: str
) -> None:
    """No code makes two sessions, and every session and user that a client was told of is there."""
    site = server(store=postgres.new_url(), DATABASE_URL=postgres.new_url(), OTP_APIS="native,connect")
    with SignUps(site, fake_twilio) as busy:
        for _ in range(2):
            busy.wait_for(40)
            getattr(postgres, end)()
            wait_until(lambda: busy.send(busy.next_number()).status == 503, "a sign-up that is refused")
            postgres.start()
            wait_until(lambda: busy.send(busy.next_number()).accepted, "a sign-up that is accepted")
        busy.wait_for(40)
    assert len(busy.tokens) > 10
    assert [number for number in busy.tokens if busy.profile(number).json != {"phone_number": number}] == []
    assert busy.faults() == []
