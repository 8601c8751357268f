"""The stored form of a ledger: compact JSON, in which a field with its default value is left out.

A field that this version does not know is kept, so that versions can run side by side.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec.structs import replace

from otp_app.core.ledger import Ledger, Record, Send, Status, Verification

MAX_BYTES = 8192  # as much as stores take

# Made here, by the one thread that imports this: msgspec 0.22 ends the process (SIGSEGV) where several threads are the
# first to use a type.
_DECODER = msgspec.json.Decoder(Ledger)
_ENCODER = msgspec.json.Encoder()

_COMPACT = json.JSONEncoder(separators=(",", ":"))
_KNOWN: dict[type[Record], set[str]] = {
    kind: {f.encode_name for f in msgspec.structs.fields(kind)} for kind in (Send, Verification, Ledger)
}
_PARTS: dict[type[Record], dict[str, type[Record]]] = {
    Ledger: {"verifications": Verification, "gone": Verification},
    Verification: {"sends": Send},
}


def encode(ledger: Ledger) -> bytes:
    """The bytes to store: at most 8 KiB, for which history (never what a limit counts) is dropped where needed."""
    while len(data := _encoded(ledger)) > MAX_BYTES and (ledger.verifications or ledger.gone):
        ledger = _lighter(ledger)
    return data


def decode(data: bytes) -> Ledger:
    """Read what encode wrote, in this or another version. Raises ValueError for anything else."""
    try:
        return _DECODER.decode(data)
    except ValueError:  # an unknown field is one to msgspec
        return _decode_any(data)


def _lighter(ledger: Ledger) -> Ledger:
    """Forget what matters least: the oldest receipts but the last of a send, or else the oldest send that is settled,
    or else the oldest verification that is over, first one that owes no event, or else tags, or else notes, or else the
    oldest. What is forgotten but for its events goes after the receipts.
    """  # fmt: skip
    for verification in ledger.verifications:
        if long := next((s for s in verification.sends if len(s.receipts) > 1), None):
            return ledger.with_verification(verification.with_send(replace(long, receipts=long.receipts[-1:])))
    if ledger.gone:
        return replace(ledger, gone=ledger.gone[1:])
    for verification in ledger.verifications:
        if settled := next((s for s in verification.sends if s.state != "pending"), None):
            sends = tuple(s for s in verification.sends if s is not settled)
            return ledger.with_verification(replace(verification, sends=sends))
    over = [v for v in ledger.verifications if v.status != Status.PENDING]
    if (oldest := next((v for v in over if not v.notes), over[0] if over else None)) is None:
        oldest = ledger.verifications[0]
        if tagged := next((v for v in ledger.verifications if v.tags), None):
            return ledger.with_verification(replace(tagged, tags={}))
        if noted := next((v for v in ledger.verifications if v.notes), None):
            return ledger.with_verification(replace(noted, notes=noted.notes[1:]))
    return replace(ledger, verifications=tuple(v for v in ledger.verifications if v is not oldest))


def _encoded(ledger: Ledger) -> bytes:
    try:
        data = _ENCODER.encode(ledger)
    except UnicodeEncodeError:  # half of a surrogate pair, in a name from a provider
        return _encode_any(ledger)
    return _encode_any(ledger) if b'"extra":' in data else data  # inside of a string the quotes would be escaped


def _encode_any(ledger: Ledger) -> bytes:
    return _COMPACT.encode(_with_unknown_fields(msgspec.to_builtins(ledger))).encode()


def _with_unknown_fields(plain: dict[str, Any]) -> dict[str, Any]:
    """A record as it is stored: what another version knows is a field like any other."""
    for name in plain.keys() & {"verifications", "gone", "sends"}:
        plain[name] = [_with_unknown_fields(part) for part in plain[name]]
    unknown: dict[str, Any] = plain.pop("extra", {})
    return plain | unknown


def _decode_any(data: bytes) -> Ledger:
    try:
        return msgspec.convert(_without_unknown_fields(json.loads(data), Ledger), Ledger)
    except (TypeError, AttributeError) as error:
        raise ValueError("not a ledger") from error


def _without_unknown_fields(plain: dict[str, Any], kind: type[Record]) -> dict[str, Any]:
    """A record with what only another version knows in its field `extra`."""
    known = {name: plain.pop(name) for name in plain.keys() & _KNOWN[kind]}
    for name, part in _PARTS.get(kind, {}).items():
        known[name] = [_without_unknown_fields(one, part) for one in known.get(name, ())]
    return known | {"extra": plain} if plain else known
