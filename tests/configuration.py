"""Settings for tests."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from otp_app.settings import Settings
from otp_app.settings.model import Model, build, fields_of
from otp_app.startup.reader import READER

#: every setting of the server and its APIs
VARIABLES = [field.variable for field in READER.fields.values()]


def make_settings(**given: Any) -> Settings:
    """Settings with these texts, read as from the environment, or values, taken as they are; by attribute."""
    server, *apis = (_read(model, given) for model in READER.models)
    return replace(server, apis={model.api: model for model in apis})


def value(settings: Settings, name: str) -> Any:
    """Return a setting of the server or of an API, by attribute."""
    models: list[Model] = [settings, *settings.apis.values()]
    return next(getattr(model, name) for model in models for field in fields_of(type(model)) if field.name == name)


def _read(model: type[Model], given: dict[str, Any]) -> Any:
    own = {field.name: given[field.name] for field in fields_of(model) if field.name in given}
    texts = {name: value for name, value in own.items() if isinstance(value, str)}
    found, faults = build(model, texts)
    if faults:
        raise ValueError(faults)
    return replace(found, **{name: value for name, value in own.items() if name not in texts})
