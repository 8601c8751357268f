"""One event as its receiver gets it: the body, and the headers that sign it."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from otp_app.core.delivery import Channel, explain
from otp_app.core.outbox import Box, Waiting


def message_id(verification_id: str, event: Waiting) -> str:
    """Return the id of an event: the same each time that it is told."""
    return f"{verification_id}-{event.number}"


def body(verification_id: str, box: Box, event: Waiting, channels: Iterable[Channel]) -> bytes:
    """Return an event as JSON. It never has the code."""
    data: dict[str, Any] = {
        "verification_id": verification_id,
        "number": event.number,
        "to": box.to,
        "purpose": box.purpose,
        "tags": dict(box.tags),
    }
    if event.send_id:
        data["message"] = _message(event, channels)
    told = {"type": event.kind, "timestamp": told_at(event.at), "data": data}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def headers(secrets: Sequence[bytes], id_: str, wall: float, content: bytes) -> dict[str, str]:
    """Return the headers of Standard Webhooks, with a signature by each secret; `wall` is now, in seconds."""
    signed = f"{id_}.{int(wall)}.".encode() + content
    signatures = (b64encode(hmac.digest(secret, signed, "sha256")).decode() for secret in secrets)
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(int(wall)),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def told_at(wall: float) -> str:
    """Return a moment (wall clock, seconds) as events show it."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(event: Waiting, channels: Iterable[Channel]) -> dict[str, object]:
    meaning = explain(channels, event.channel, event.code)
    return {
        "id": event.send_id,
        "channel": event.channel or None,
        "provider_id": event.provider_id or None,
        "reason": event.reason or None,
        "error_code": event.code or None,
        "error_class": meaning.error_class if meaning else None,
        "explanation": meaning.sentence if meaning else None,
    }
