"""The stored form of a ledger: compact JSON, in which a field with its default value is left out.

A field that this version does not know is kept, so that versions can run side by side.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec
from msgspec.structs import replace

from otp_app.core.ledger import Ledger, Record, Send, Status, Verification

MAX_BYTES = 8192  # as much as stores take

_ENCODER = msgspec.json.Encoder()
_COMPACT = json.JSONEncoder(separators=(",", ":"))

Parts = Mapping[str, type[Record]]
Kept = TypeVar("Kept", bound=Record)


class Codec(Generic[Kept]):
    """Writes and reads records of one class. `parts`: the fields of it, and of its parts, that have lists of records.

    To be made by the one thread that imports a module: msgspec 0.22 ends the process (SIGSEGV) where several threads
    are the first to use a type.
    """

    def __init__(self, kind: type[Kept], parts: Mapping[type[Record], Parts]) -> None:
        self._kind, self._parts = kind, parts
        self._decoder = msgspec.json.Decoder(kind)
        kinds: set[type[Record]] = {kind, *(part for found in parts.values() for part in found.values())}
        self._known = {each: {f.encode_name for f in msgspec.structs.fields(each)} for each in kinds}
        self._lists = {name for found in parts.values() for name in found}

    def encode(self, record: Kept) -> bytes:
        """Return the bytes of a record, however many they are."""
        try:
            data = _ENCODER.encode(record)
        except UnicodeEncodeError:  # half of a surrogate pair, in a name from a provider
            return self._encode_any(record)
        return self._encode_any(record) if b'"extra":' in data else data  # inside of a string the quotes are escaped

    def decode(self, data: bytes) -> Kept:
        """Read what encode wrote, in this or another version. Raises ValueError for anything else."""
        try:
            return self._decoder.decode(data)
        except ValueError:  # an unknown field is one to msgspec
            return self._decode_any(data)

    def _encode_any(self, record: Kept) -> bytes:
        return _COMPACT.encode(self._with_unknown_fields(msgspec.to_builtins(record))).encode()

    def _with_unknown_fields(self, plain: dict[str, Any]) -> dict[str, Any]:
        """A record as it is stored: what another version knows is a field like any other."""
        for name in plain.keys() & self._lists:
            plain[name] = [self._with_unknown_fields(part) for part in plain[name]]
        unknown: dict[str, Any] = plain.pop("extra", {})
        return plain | unknown

    def _decode_any(self, data: bytes) -> Kept:
        try:
            return msgspec.convert(self._without_unknown_fields(json.loads(data), self._kind), self._kind)
        except (TypeError, AttributeError) as error:
            raise ValueError("not a record") from error

    def _without_unknown_fields(self, plain: dict[str, Any], kind: type[Record]) -> dict[str, Any]:
        """A record with what only another version knows in its field `extra`."""
        known = {name: plain.pop(name) for name in plain.keys() & self._known[kind]}
        for name, part in self._parts.get(kind, {}).items():
            known[name] = [self._without_unknown_fields(one, part) for one in known.get(name, ())]
        return known | {"extra": plain} if plain else known


_CODEC = Codec(Ledger, {Ledger: {"verifications": Verification, "gone": Verification}, Verification: {"sends": Send}})


def encode(ledger: Ledger) -> bytes:
    """The bytes to store: at most 8 KiB, for which history (never what a limit counts) is dropped where needed."""
    while len(data := _CODEC.encode(ledger)) > MAX_BYTES and (ledger.verifications or ledger.gone):
        ledger = _lighter(ledger)
    return data


def decode(data: bytes) -> Ledger:
    """Read what encode wrote, in this or another version. Raises ValueError for anything else."""
    return _CODEC.decode(data)


def readable(data: bytes) -> Ledger | None:
    """Return what `decode` reads, None where that is damaged or of a version with other fields."""
    try:
        return decode(data)
    except ValueError:
        return None


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
