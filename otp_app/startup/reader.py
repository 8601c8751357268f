"""The settings of this server, read together: its own, those of its APIs and those of the providers of channels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from otp_app import apis, channels
from otp_app.settings import Settings
from otp_app.settings.environment import Reader

APIS, PROVIDERS = apis.models(), channels.models()

#: what APIs imply comes first: channels follow from Twilio's variables, which PHONE_VERIFICATION may stand for
READER = Reader((Settings, *PROVIDERS, *APIS), [model.implied for model in (*APIS, *PROVIDERS)])


def read(environ: Mapping[str, str] | None = None, folder: Path | None = None) -> tuple[Settings, dict[str, str]]:
    """Return the settings, and the faults by variable, a line each; a faulty setting has its default."""
    found, faults = READER.read(environ, folder)
    by_api, providers = {model.api: found.of(model) for model in APIS}, tuple(map(found.of, PROVIDERS))
    return replace(found.of(Settings), apis=by_api, providers=providers), faults
