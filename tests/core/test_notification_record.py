"""The record of a notification on disk: read whole, written as it was, and bounded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from otp_app.core.instant import Instant
from otp_app.core.ledger import Report, Send
from otp_app.core.ledger_json import MAX_BYTES
from otp_app.core.notification import KEPT, LIFE, Notification, decode, encode, key_of

SAMPLES = (Path(__file__).parent / "samples/notification-format-1.json").read_bytes().splitlines()
NOW = Instant(1_799_992_900.0, "boot-1", 1000.0)


def test_a_stored_notification_of_format_1_is_read_whole() -> None:
    queued, stopped = map(decode, SAMPLES)
    assert (queued.route, queued.variables, queued.locale) == (("sms",), {"number": "A-1042"}, "es")
    assert (queued.retries, queued.due, queued.ended_at, queued.status(NOW)) == (1, 1799992862.5, None, "undelivered")
    assert [send.state for send in queued.sends] == ["refused", "sent"]
    assert queued.sends[1].receipts[-1] == Report("undelivered", 1799992864.5, 63024)
    assert (stopped.reason, stopped.ended_at, stopped.status(NOW)) == ("stopped", 1799992803.5, "stopped")


@pytest.mark.parametrize("stored", SAMPLES)
def test_it_is_written_as_it_was_read(stored: bytes) -> None:
    """So another version reads the same."""
    assert json.loads(encode(decode(stored))) == json.loads(stored)


def test_fields_of_another_version_survive() -> None:
    plain = json.loads(SAMPLES[0]) | {"price": 5}
    plain["sends"][0]["segments"] = 2
    changed = encode(replace(decode(json.dumps(plain).encode()), retries=2))
    assert json.loads(changed) == plain | {"retries": 2}


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"{}", b'{"id":1}', b"\xff"])
def test_what_is_none_raises_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode(data)


def test_it_fits_into_a_store_whatever_happened_to_it() -> None:
    """The newest message stays, and what it says."""
    reports = tuple(Report("undelivered", 1799992864.5, 63024) for _ in range(7))
    sends = tuple(
        Send(f"VL{n:032x}", "whatsapp", NOW.wall, "refused", provider_id="S" * 64, reason="throttled", receipts=reports)
        for n in range(40)
    )
    full = Notification("NT" + "0" * 32, "+14155552671", "t" * 40, NOW.wall, variables={"a": "x" * 3900}, sends=sends)
    kept = decode(encode(full))
    assert len(encode(full)) <= MAX_BYTES
    assert (kept.sends[-1].id, kept.variables) == (sends[-1].id, full.variables)


def test_it_lives_two_days_longer_than_anything_can_happen_to_it() -> None:
    queued = Notification("NT" + "0" * 32, "+14155552671", "a", NOW.wall)
    assert queued.lifetime(NOW) == LIFE + KEPT
    assert queued.lifetime(NOW._replace(wall=NOW.wall - 9e6)) == LIFE + KEPT
    assert queued.lifetime(NOW._replace(wall=NOW.wall + 9e6)) == KEPT
    assert queued.ended(NOW).lifetime(NOW) == KEPT


@pytest.mark.parametrize("text", ["", "NT", "VE" + "0" * 32, "NT" + "g" * 32, "NT" + "0" * 33, "nt" + "0" * 32])
def test_what_is_no_id_has_no_key(text: str) -> None:
    assert key_of(text) is None
