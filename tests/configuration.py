"""Settings for tests."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from otp_app.settings import Settings
from otp_app.settings.model import Model, build, fields_of
from otp_app.startup.reader import APIS, PROVIDERS, READER

#: every setting of the server, its APIs and its providers
VARIABLES = [field.variable for field in READER.fields.values()]


def make_settings(**given: Any) -> Settings:
    """Settings with these texts, read as from the environment, or values, taken as they are; by attribute."""
    models = [_read(model, given) for model in (Settings, *APIS, *PROVIDERS)]
    apis, providers = models[1 : len(APIS) + 1], models[len(APIS) + 1 :]
    return replace(models[0], apis={model.api: model for model in apis}, providers=tuple(providers))


def value(settings: Settings, name: str) -> Any:
    """Return a setting of the server, an API or a provider, by attribute."""
    models: list[Model] = [settings, *settings.apis.values(), *settings.providers]
    return next(getattr(model, name) for model in models for field in fields_of(type(model)) if field.name == name)


def _read(model: type[Model], given: dict[str, Any]) -> Any:
    own = {field.name: given[field.name] for field in fields_of(model) if field.name in given}
    texts = {name: value for name, value in own.items() if isinstance(value, str)}
    found, faults = build(model, texts)
    if faults:
        raise ValueError(faults)
    return replace(found, **{name: value for name, value in own.items() if name not in texts})
