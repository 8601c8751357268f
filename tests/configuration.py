"""Settings for tests."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from otp_app.settings import Settings
from otp_app.settings.model import build
from otp_app.startup.reader import READER

#: every setting of the server and its APIs
VARIABLES = [field.variable for field in READER.fields.values()]


def make_settings(**given: Any) -> Settings:
    """Settings with these texts, read as from the environment, or values, taken as they are; by attribute."""
    texts = {name: value for name, value in given.items() if isinstance(value, str)}
    found, faults = build(Settings, texts)
    if faults:
        raise ValueError(faults)
    return replace(found, **{name: value for name, value in given.items() if name not in texts})
