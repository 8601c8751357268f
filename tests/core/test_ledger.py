"""The record on disk: compact, bounded, readable by other versions."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from otp_app.core import check_transitions, send_transitions
from otp_app.core.delivery import Delivery, Outcome
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Send, Status, Verification
from otp_app.core.ledger_json import MAX_BYTES, decode, encode
from otp_app.core.policy import Policy
from otp_app.core.send_transitions import SendPlan
from otp_app.core.upkeep import MOST_NOTIFIED, MOST_SENT
from tests.core.fakes import PHONE, SENT

SAMPLES = Path(__file__).parent / "samples"
SAMPLE = SAMPLES / "ledger-format-1.json"
#: written by an encoder in plain Python, before this one: each has a field, a state or a text that those above have not
MANY_SAMPLES = (SAMPLES / "ledgers-format-1.jsonl").read_bytes().splitlines()
NOW = Instant(1_800_000_000.0, "boot-1", 1000.0)


def _verification(**fields: Any) -> Verification:
    defaults: dict[str, Any] = {"id": "VE" + "0" * 32, "purpose": "login", "key": "k1", "length": 6}
    return Verification(**defaults | {"begun": NOW, "life": 300.0} | fields)


def _later(seconds: float) -> Instant:
    return Instant(NOW.wall + seconds, NOW.boot, NOW.uptime + seconds)


# ---- on disk


def test_a_stored_ledger_of_format_1_is_read_whole() -> None:
    ledger = decode(SAMPLE.read_bytes())
    assert (ledger.phone, ledger.streak, ledger.exhaustions, ledger.raised, ledger.format) == (PHONE, 2, 1, True, 1)
    assert ledger.sent == (1799999000.0, 1799999100.5)
    assert ledger.risk == ((20832, 50000), (20833, 10000))
    assert ledger.given_back == (20832,)
    assert ledger.refusals == (("whatsapp", 1799999100.5, "bad_number"),)
    died, pending = ledger.verifications
    assert (died.status, died.attempts, died.ended_at) == (Status.MAX_ATTEMPTS_REACHED, 5, 1799999050.0)
    assert (pending.status, pending.purpose, pending.generation) == (Status.PENDING, "payment", 1)
    assert pending.begun == Instant(1799999100.5, "0a1b2c3d", 5000.25)
    assert [s.state for s in pending.sends] == ["refused", "sent"]


@pytest.mark.parametrize("stored", [SAMPLE.read_bytes(), *MANY_SAMPLES])
def test_a_stored_ledger_is_written_as_it_was_read(stored: bytes) -> None:
    """So another version, which has written it, reads the same."""
    ledger = decode(stored)
    assert json.loads(encode(ledger)) == json.loads(stored)
    assert decode(encode(ledger)) == ledger


def test_fields_with_new_names_keep_their_stored_ones() -> None:
    """Servers of another version read and write the old names."""
    ended = _verification(status=Status.CANCELED, ended_at=NOW.wall, end_reported=True)
    ledger = Ledger(PHONE, (ended,), exhaustions=2, exhausted_at=NOW.wall)
    plain = json.loads(encode(ledger))
    assert (plain["deaths"], plain["died"]) == (2, NOW.wall)
    assert (plain["verifications"][0]["over"], plain["verifications"][0]["told"]) == (NOW.wall, True)
    assert decode(encode(ledger)) == ledger


def _with_unknown_fields() -> Ledger:
    plain = json.loads(SAMPLE.read_bytes())
    plain["tenant"] = {"name": ["a"]}
    for verification in plain["verifications"]:
        verification["device"] = "d1"
        for send in verification["sends"]:
            send["price"] = 0.05
    return decode(json.dumps(plain).encode())


def _unknown_fields(ledger: Ledger) -> list[Any]:
    plain = json.loads(encode(ledger))
    verification = next(v for v in plain["verifications"] if v["purpose"] == "payment")
    return [plain.get("tenant"), verification.get("device"), verification["sends"][0].get("price")]


KNOWN_TO_ANOTHER_VERSION = [{"name": ["a"]}, "d1", 0.05]


def test_unknown_fields_survive_reading_and_writing() -> None:
    assert _unknown_fields(_with_unknown_fields()) == KNOWN_TO_ANOTHER_VERSION


def test_unknown_fields_survive_every_transition() -> None:
    """Two versions run side by side during an update; the older one must not lose what the newer one wrote."""
    ledger, policy = _with_unknown_fields(), Policy(gaps=(), cool_downs=())
    now = Instant(1799999110.0, "0a1b2c3d", 5010.0)
    plan = SendPlan("payment", ["sms"], authenticated=True, verification_id="VE" + "9" * 32, send_id="VL1", key="k1")
    ledger, verification, *_ = send_transitions.begin(ledger, now, policy, plan, lambda v: "111111")
    assert _unknown_fields(ledger) == KNOWN_TO_ANOTHER_VERSION
    ledger = send_transitions.settle(ledger, now, "VL1", SENT)
    assert _unknown_fields(ledger) == KNOWN_TO_ANOTHER_VERSION
    target = ledger.by_id(verification.id)
    tried, _ = check_transitions.check(ledger, now, policy, target, "000000", lambda v: "111111")
    approved, _ = check_transitions.check(ledger, now, policy, target, "111111", lambda v: "111111")
    canceled, _ = check_transitions.cancel(ledger, now, policy, target)
    for changed in (tried, approved, canceled):
        assert changed
        assert _unknown_fields(changed) == KNOWN_TO_ANOTHER_VERSION


def test_default_values_take_no_room() -> None:
    assert encode(Ledger(PHONE)) == b'{"phone":"%s","format":1}' % PHONE.encode()


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[]", b"{}", b"5", b'"x"', b"\xff", b"{", b'{"phone":"+1","verifications":[5]}',
     b'{"phone":"+1","verifications":[{}]}', b'{"phone":"+1","risk":5}', b'{"phone":"+1","sent":7}',
     b'{"phone":"+1","verifications":[{"begun":[1],"status":"pending"}]}',
     b'{"phone":"+1","verifications":[{"id":"V","purpose":"p","key":"k","length":6,"begun":[1,"",2],"life":1,"status":"?"}]}'],
)  # fmt: skip
def test_what_is_no_ledger_raises_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode(data)


# ---- its size


def _sends(count: int) -> tuple[Send, ...]:
    return tuple(
        Send(
            f"VL{n:032x}", "whatsapp", NOW.wall + n, "refused", provider_id="SM" + "0" * 32, reason="provider_auth"
        )
        for n in range(count)
    )


def _full(verifications: tuple[Verification, ...], sends: int = 15, notified: int = 0) -> Ledger:
    return Ledger(
        PHONE,
        verifications,
        sent=tuple(NOW.wall + n / 1000 for n in range(sends)),
        notified=tuple(NOW.wall + n for n in range(notified)),
        stopped=NOW.wall,
        last_send=NOW.wall,
        streak=15,
        exhaustions=9,
        exhausted_at=NOW.wall,
        risk=tuple((20803 + n, 550_000) for n in range(31)),
        raised=True,
        given_back=(20803,) * 5,
        refusals=(("whatsapp", NOW.wall, "bad_number"), ("sms", NOW.wall, "bad_number")),
    )


def _named(number: int, **fields: Any) -> Verification:
    return _verification(id=f"VE{number:032x}", purpose=f"{number:x}".rjust(32, "p"), key="k" * 16, **fields)


def test_history_is_dropped_before_a_ledger_outgrows_8_kib() -> None:
    tombstones = tuple(_named(n, status=Status.CANCELED, ended_at=NOW.wall, sends=_sends(5)) for n in range(8))
    pending = _named(9, sends=_sends(5))
    ledger = decode(encode(_full((*tombstones, pending))))
    assert len(encode(ledger)) <= MAX_BYTES
    assert ledger.verifications[-1].id == pending.id
    assert len(ledger.sent) == 15
    assert len(ledger.risk) == 31


def test_pending_verifications_of_every_purpose_fit() -> None:
    """Eight purposes, the most there can be, on a server without gaps and caps."""
    pending = tuple(_named(n, attempts=4, life=512.3450000000001, sends=_sends(3)) for n in range(8))
    assert [v.id for v in decode(encode(_full(pending))).verifications] == [v.id for v in pending]


def test_tags_are_forgotten_before_a_pending_verification() -> None:
    """Though history, they go after all other history: they are what a caller knows a verification by."""
    tags = {"n" * 100: '"' * 156}
    leaving = tuple(replace(send, state="pending") for send in _sends(3))
    pending = tuple(_named(n, attempts=4, sends=leaving, tags=tags) for n in range(8))
    kept = decode(encode(_full(pending, sends=100))).verifications
    assert [v.id for v in kept] == [v.id for v in pending]
    assert {bool(v.tags) for v in kept} == {False, True}
    over = tuple(_named(n, status=Status.CANCELED, ended_at=NOW.wall, tags=tags) for n in range(8, 16))
    assert decode(encode(_full((*over[:7], pending[0]), sends=100))).verifications[-1].tags == tags


def test_the_largest_caps_that_settings_allow_leave_room_for_all_pending_verifications() -> None:
    """A day's 100 messages are remembered at most: what a limit counts and all live codes are kept."""
    on_its_way = Send("VL" + "0" * 32, "whatsapp", NOW.wall + 0.123, generation=3)
    chosen = tuple((generation, 10, 9_876_543_210) for generation in range(4))
    fields = {"attempts": 4, "life": 512.345, "generation": 3, "chosen": chosen, "messages": 5, "out": True}
    fields["app_hash"] = "FA+9qCX9VSu"
    over = (_named(9, status=Status.EXPIRED), _named(10, status=Status.CANCELED, ended_at=NOW.wall))
    pending = tuple(_named(n, **fields, sends=(*_sends(3), on_its_way)) for n in range(8))
    again = decode(encode(_full((*over, *pending), sends=MOST_SENT, notified=MOST_NOTIFIED)))
    assert len(again.sent) == MOST_SENT
    assert [v.id for v in again.verifications if v.status == Status.PENDING] == [v.id for v in pending]


def test_what_is_over_is_dropped_before_what_is_pending() -> None:
    """What has expired too, where it is the younger one."""
    pending = _named(1, extra={"newer": "x" * 4000})
    over = tuple(_named(n, status=Status.EXPIRED, extra={"newer": "x" * 4000}) for n in (2, 3))
    assert [v.id for v in decode(encode(_full((pending, *over)))).verifications] == [pending.id]


def test_a_long_name_from_a_provider_costs_no_verification() -> None:
    send = Send("VL" + "0" * 32, "sms", NOW.wall)
    ledger = Ledger(PHONE, (_verification(sends=(send,)),))
    settled = send_transitions.settle(ledger, NOW, send.id, Delivery(Outcome.SENT, "x" * 5000))
    assert len(decode(encode(settled)).verifications) == 1


# ---- ages


def test_within_one_boot_no_change_of_the_clock_makes_younger_or_older() -> None:
    begun = _verification()
    for wall in (-1e9, -3600.0, 0.0, 3600.0):
        assert begun.age(Instant(NOW.wall + wall, NOW.boot, NOW.uptime + 100)) == 100


@pytest.mark.parametrize(("boot", "stamp"), [("boot-2", "boot-1"), ("", "boot-1"), ("", "")])
def test_across_boots_the_wall_clock_counts(boot: str, stamp: str) -> None:
    begun = _verification(begun=NOW._replace(boot=stamp))
    assert begun.age(Instant(NOW.wall + 100, boot, 0.0)) == 100


@pytest.mark.parametrize(("behind", "age"), [(0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (2.1, math.inf), (1e6, math.inf)])
def test_a_stamp_from_the_future_of_another_boot_is_not_believed(behind: float, age: float) -> None:
    assert _verification().age(Instant(NOW.wall - behind, "boot-2", 0.0)) == age


@pytest.mark.parametrize(
    ("after", "status"),
    [(0.0, Status.PENDING), (299.9, Status.PENDING), (300.0, Status.EXPIRED), (9e9, Status.EXPIRED)],
)
def test_a_verification_expires_at_the_end_of_its_life(after: float, status: Status) -> None:
    assert _verification().status_at(_later(after)) == status


def test_what_is_over_does_not_expire() -> None:
    assert _verification(status=Status.APPROVED, ended_at=NOW.wall).status_at(_later(9000)) == Status.APPROVED


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [({}, -200.0), ({"status": Status.CANCELED, "ended_at": NOW.wall + 40}, 60.0), ({"life": 60.0}, 40.0)],
)
def test_how_long_it_has_been_over(fields: dict[str, Any], seconds: float) -> None:
    assert _verification(**fields).ended_for(_later(100)) == seconds


# ---- looking things up


def test_the_latest_of_a_purpose_is_the_pending_one_or_else_the_last() -> None:
    old, new = _verification(id="VE1", status=Status.APPROVED), _verification(id="VE2", status=Status.CANCELED)
    other = _verification(id="VE3", purpose="payment")
    ledger = Ledger(PHONE, (old, new, other))
    assert ledger.latest(NOW, "login") is new
    assert ledger.latest(NOW, "payment") is other
    assert ledger.latest(NOW, "nothing") is None
    pending_again = Ledger(PHONE, (replace(old, status=Status.PENDING), new))
    assert pending_again.latest(NOW, "login") is pending_again.verifications[0]


def test_a_verification_is_found_by_its_whole_id_and_by_its_sends() -> None:
    verification = _verification(sends=_sends(2))
    ledger = Ledger(PHONE, (verification,))
    assert ledger.by_id(verification.id) is verification
    assert ledger.by_id(verification.id[:-1]) is None
    assert ledger.by_send(verification.sends[1].id) == (verification, verification.sends[1])
    assert ledger.by_send("VL") is None
