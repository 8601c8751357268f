"""A caller that heard no answer asks again and gets the first one, and no second message."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from otp_app.core.delivery import Outcome, Reason
from otp_app.core.errors import (
    DeliveryRefused,
    IdempotencyInProgress,
    IdempotencyMismatch,
    InvalidPhone,
    StoreUnavailable,
    TooSoon,
)
from otp_app.core.idempotency import Key
from otp_app.core.policy import DAY
from tests.core.caller import KEY, Caller, Dead, die
from tests.core.fakes import PHONE, UNKNOWN, refused

SAMPLE = Path(__file__).parent / "samples" / "idempotency-format-1.json"


def test_the_same_key_has_the_same_answer_and_one_message(caller: Caller) -> None:
    first = caller.send()
    for wait in (0, 40, 4000, DAY - 5000):
        caller.world.clock.forward(wait)
        assert caller.send() == first
    assert len(caller.world.messages()) == 1


def test_after_a_day_a_key_is_a_new_key(caller: Caller) -> None:
    caller.send()
    caller.world.clock.forward(DAY)
    caller.send()
    assert len(caller.world.messages()) == 2


def test_an_unknown_outcome_is_replayed_as_unknown(caller: Caller) -> None:
    caller.world.sms.script = [UNKNOWN]
    assert [caller.send().outcome for _ in range(2)] == [Outcome.UNKNOWN] * 2
    assert len(caller.world.messages()) == 1


def test_another_request_under_the_same_key_is_refused(caller: Caller) -> None:
    caller.send()
    with pytest.raises(IdempotencyMismatch):
        caller.send(Key(KEY.scope, KEY.text, "send +14155552672"), "+14155552672")
    assert len(caller.world.messages()) == 1


def test_another_request_is_refused_while_the_first_is_running(caller: Caller) -> None:
    caller.world.sms.during = die
    with pytest.raises(Dead):
        caller.send()
    with pytest.raises(IdempotencyMismatch):
        caller.send(Key(KEY.scope, KEY.text, "something else"))


@pytest.mark.parametrize(
    "other",
    [
        Key("somebody else", "key-1", KEY.request),
        Key("client", "key-2", KEY.request),
        Key("clien", "tkey-1", KEY.request),
    ],
)
def test_a_key_belongs_to_its_caller(caller: Caller, other: Key) -> None:
    caller.send()
    caller.world.clock.forward(30)
    caller.send(other)
    assert len(caller.world.messages()) == 2


def test_the_same_request_must_wait_while_the_first_is_running(caller: Caller) -> None:
    answers: list[Any] = []

    def meanwhile(_: Any) -> None:
        caller.world.sms.during = lambda message: None
        with pytest.raises(IdempotencyInProgress) as waiting:
            caller.send()
        answers.append(waiting.value.retry_after)

    caller.world.sms.during = meanwhile
    caller.send()
    assert answers == [1.0]
    assert len(caller.world.messages()) == 1


# ---- a refusal frees the key


@pytest.mark.parametrize("reason", [Reason.UNREACHABLE, Reason.THROTTLED])
def test_a_refused_message_frees_the_key(caller: Caller, reason: Reason) -> None:
    caller.world.sms.script = [refused(reason)]
    with pytest.raises(DeliveryRefused):
        caller.send()
    assert caller.send().outcome == Outcome.SENT


def test_a_limit_frees_the_key(caller: Caller) -> None:
    caller.world.send()
    with pytest.raises(TooSoon):
        caller.send()
    caller.world.clock.forward(30)
    assert caller.send().outcome == Outcome.SENT


def test_bad_input_frees_the_key(caller: Caller) -> None:
    with pytest.raises(InvalidPhone):
        caller.send(phone="+1")
    assert caller.send().outcome == Outcome.SENT


def test_a_freed_key_leaves_nothing_in_the_store(caller: Caller) -> None:
    with pytest.raises(InvalidPhone):
        caller.send(phone="+1")
    assert caller.world.store.values == {}


# ---- records of others


def _stored(caller: Caller) -> dict[str, Any]:
    return dict(json.loads(caller.world.store.values[KEY.entry][0]))


def _store(caller: Caller, data: bytes) -> None:
    caller.world.store.values[KEY.entry] = (data, caller.world.clock.wall + DAY)


def test_a_stored_answer_of_format_1_is_replayed(caller: Caller) -> None:
    _store(caller, SAMPLE.read_bytes())
    sending = caller.send()
    assert (sending.verification_id, sending.outcome) == ("VE5d9ead917e9d186f4d38b4e6524da7f2", Outcome.SENT)
    assert (sending.expires_in, sending.resend_in, sending.sends_left) == (300.0, 30.0, 4)
    assert caller.world.messages() == []


def test_what_is_stored_has_the_form_of_the_sample(caller: Caller) -> None:
    """A change of the form is a new format, with a sample of its own."""
    caller.send()
    sample = json.loads(SAMPLE.read_bytes())
    assert _stored(caller).keys() == sample.keys()
    assert _stored(caller)["answer"].keys() == sample["answer"].keys()
    assert _stored(caller)["format"] == sample["format"]


def test_an_answer_with_fields_of_a_newer_version_is_replayed(caller: Caller) -> None:
    """During a rolling update the older server must answer what the newer one noted."""
    first = caller.send()
    entry = _stored(caller)
    entry["answer"]["carrier"] = "unknown to this version"
    entry["tenant"] = "too"
    _store(caller, json.dumps(entry).encode())
    assert caller.send() == first


@pytest.mark.parametrize("data", [b"", b"\xff", b"null", b"[]", b"{", b'{"request":"%s"}' % KEY.fingerprint.encode()])
def test_a_record_that_cannot_be_read_is_a_store_fault(caller: Caller, data: bytes) -> None:
    _store(caller, data)
    with pytest.raises(StoreUnavailable):
        caller.send()
    assert caller.world.messages() == []


def test_nothing_readable_of_key_number_or_code_rests_in_the_store(caller: Caller) -> None:
    caller.send()
    key, (data, _) = next((k, v) for k, v in caller.world.store.values.items() if k.startswith("i:"))
    for secret in (KEY.text, KEY.scope, PHONE[1:], PHONE[-7:], caller.world.code()):
        assert secret not in key + data.decode()


def test_names_in_the_store_are_short_ascii_whatever_the_key() -> None:
    for text in ("x", "x" * 100_000, "\u00e9", "\0"):
        entry = Key("scope", text, "request").entry
        assert entry.isascii()
        assert len(entry) <= 100
