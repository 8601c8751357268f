"""Two versions side by side, as during a rolling update: the newer one writes a field that the older does not know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from otp_app.core.ledger import Status
from tests.faults.load import other_code
from tests.provider import Provider
from tests.running import RunningServer, call
from tests.scaled.conftest import StartFleet
from tests.scaled.fleet import AS_SHOP, FleetClients, items, records
from tests.scaled.newer import CONTENT, FIELD, TOUCHED, parts

CALLS = 300


class Update(FleetClients):
    """Clients of a fleet whose first server is newer than the others."""

    @property
    def newer(self) -> RunningServer:
        """The server that was updated."""
        return self.fleet.servers[0]

    @property
    def older(self) -> RunningServer:
        """One that was not yet."""
        return self.fleet.servers[1]

    def touched(self) -> set[str]:
        """The keys of the records that the newer server has written."""
        keys = (item.key for item in items(self.fleet.store))
        return {key.removeprefix(TOUCHED) for key in keys if key.startswith(TOUCHED)}


@pytest.fixture
def update(fleet: StartFleet, fake_twilio: Provider) -> Update:
    """One server was updated and started again."""
    update = Update(fleet(), fake_twilio)
    update.newer.stop()
    update.newer.environment["OTP_STORE_URL"] = f"tests.scaled.newer:NewerStore?{update.fleet.store}"
    update.newer.start()
    return update


def ask(server: RunningServer, path: str, body: Mapping[str, str], **headers: str) -> tuple[int, Any]:
    """The status and the answer of one server."""
    answer = call(server.port, "POST", path, body, AS_SHOP | headers)
    return answer.status, answer.json


def test_versions_serve_side_by_side(update: Update) -> None:
    """Under load each checks the codes of the other; the older keeps all that the newer has written."""
    with update:
        update.wait_for(CALLS)
    assert update.failed() == []
    assert update.faults() == []
    touched = update.touched()
    assert len(touched) > CALLS / 20
    ledgers = records(update.fleet.store, "n:")
    lost = [key for key in touched if any(part.get(FIELD) != CONTENT for part in parts(key, ledgers[key]))]
    assert lost == []


def test_the_older_changes_a_record_of_the_newer(update: Update) -> None:
    """It counts a wrong attempt, then approves; the fields that it does not know stay in every part."""
    number = update.next_number()
    assert ask(update.newer, "/send-otp", {"phone_number": number})[0] == 200
    code = update.provider.code(number)
    for attempt, status, expected in ((other_code(code), 400, Status.PENDING), (code, 200, Status.APPROVED)):
        assert ask(update.older, "/verify-otp", {"phone_number": number, "otp": attempt})[0] == status
        ((key, ledger),) = records(update.fleet.store, "n:").items()
        assert ledger["verifications"][0].get("status", Status.PENDING) == expected
        assert [part.get(FIELD) for part in parts(key, ledger)] == [CONTENT] * 3
    assert ledger["verifications"][0]["attempts"] == 1


def test_the_newer_changes_a_record_of_the_older(update: Update) -> None:
    """The code of the older is good at the newer, and only once at both."""
    number = update.next_number()
    assert ask(update.older, "/send-otp", {"phone_number": number})[0] == 200
    body = {"phone_number": number, "otp": update.provider.code(number)}
    assert [ask(server, "/verify-otp", body)[0] for server in (update.newer, update.older)] == [200, 400]


@pytest.mark.parametrize("first", ["newer", "older"])
def test_an_idempotency_key_of_one_version_is_known_to_the_other(update: Update, first: str) -> None:
    """The same answer and one message, whichever of them sent."""
    number = update.next_number()
    servers = [update.newer, update.older][:: 1 if first == "newer" else -1]
    key = {"Idempotency-Key": "order-1"}
    answers = [ask(server, "/send-otp", {"phone_number": number}, **key) for server in servers]
    assert answers[0][0] == 200
    assert answers[0] == answers[1]
    assert len(update.provider.posts) == 1
    ((name, entry),) = records(update.fleet.store, "i:").items()
    assert [FIELD in part for part in parts(name, entry)] == [first == "newer"] * 2
