"""The settings of this server, read together: its own, and those of its APIs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from otp_app import apis
from otp_app.settings import Settings, implied
from otp_app.settings.environment import Reader

MODELS = apis.models()

#: what APIs imply comes first: channels follow from Twilio's variables, which PHONE_VERIFICATION may stand for
READER = Reader((Settings, *MODELS), (*(model.implied for model in MODELS), implied))


def read(environ: Mapping[str, str] | None = None, folder: Path | None = None) -> tuple[Settings, dict[str, str]]:
    """Return the settings, and the faults by variable, a line each; a faulty setting has its default."""
    found, faults = READER.read(environ, folder)
    return replace(found.of(Settings), apis={model.api: found.of(model) for model in MODELS}), faults
