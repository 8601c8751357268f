"""Code keys are rotated on all servers while clients go on."""

from __future__ import annotations

import base64
import hashlib

from tests.running import KEY
from tests.scaled.fleet import Fleet, FleetClients, records, set_keys

K1 = f"k1:{KEY}"
K2 = "k2:" + base64.b64encode(hashlib.sha256(b"another code").digest()).decode()
BETWEEN = 60  # answered calls around each server's reload


def test_rotating_keys_under_load_fails_no_check(clients: FleetClients) -> None:
    """The new key goes to every server before one of them uses it; codes made with the old one stay good."""
    early = [clients.send(clients.next_number()) for _ in range(3)]
    with clients:
        for keys in (f"{K1},{K2}", f"{K2},{K1}"):
            reload_one_by_one(clients, keys)
    assert clients.failed() == []
    assert keys_in(clients.fleet) == {"k1", "k2"}
    checks = [clients.attempt(event.number, clients.provider.code(event.number)) for event in early]
    assert [check.status for check in checks] == [200] * 3
    assert clients.faults() == []


def reload_one_by_one(clients: FleetClients, keys: str) -> None:
    """Give every server these keys."""
    for server in clients.fleet.servers:
        set_keys(server, keys)
        server.hup()
        clients.wait_for(BETWEEN)


def keys_in(fleet: Fleet) -> set[str]:
    """The ids of all keys that a code in the store was made with."""
    ledgers = records(fleet.store, "n:").values()
    return {verification["key"] for ledger in ledgers for verification in ledger["verifications"]}
