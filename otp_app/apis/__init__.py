"""The APIs, one folder each, and one line each in these tables.

An API is removed by deleting its folder, its tests and its line.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from otp_app.settings.exposure import is_open

if TYPE_CHECKING:
    from otp_app.apis.command import CommandApi
    from otp_app.settings import Settings
    from otp_app.settings.checks import SettingsChecks
    from otp_app.settings.model import ApiModel
    from otp_app.web.api import Api


class Entry(NamedTuple):
    """The class of an API, imported only if it is served, and that of its settings (settings/model.py)."""

    api: str
    settings: str = ""
    while_set: str = ""  # attribute of its own setting, or where it has none of the server's
    local_with: str = ""  # an API with which it is served to this machine alone, also where OTP_APIS lacks it
    directory: str = ""  # what opens its directory of users for a URL: `users check` looks into it


#: served over HTTP, by their names in OTP_APIS: web/api.py
APIS = {
    "connect": Entry("otp_app.apis.connect.api:ConnectApi"),
    "demo": Entry("otp_app.apis.demo.api:DemoApi", local_with="native"),
    "inbound": Entry("otp_app.apis.inbound.api:InboundApi"),
    "metrics": Entry("otp_app.apis.metrics.api:MetricsApi"),
    "native": Entry("otp_app.apis.native.api:NativeApi"),
    "operator": Entry("otp_app.apis.operator.api:OperatorApi"),
    "phone": Entry("otp_app.apis.phone.api:PhoneApi", "otp_app.apis.phone.settings:PhoneSettings"),
    "users": Entry(
        "otp_app.apis.users.api:UsersApi", "otp_app.apis.users.settings:UsersSettings",
        directory="otp_app.apis.users.directories:open_directory",
    ),
    "verify_v2": Entry("otp_app.apis.verify_v2.api:VerifyApi", "otp_app.apis.verify_v2.settings:VerifySettings"),
}

#: served over HTTP while the setting beside it is set, whatever OTP_APIS says
BY_SETTING: dict[str, Entry] = {
    "callbacks": Entry("otp_app.apis.callbacks.api:CallbacksApi", while_set="otp_public_url"),
    "notifications": Entry(
        "otp_app.apis.notifications.api:NotificationsApi", "otp_app.apis.notifications.settings:NotificationsSettings",
        while_set="otp_templates_file",
    ),
}

#: served by `python -m otp_app NAME`, without HTTP: command.py
COMMANDS = {
    "grpc": Entry("otp_app.apis.grpc.api:GrpcApi", "otp_app.apis.grpc.settings:GrpcSettings"),
}


def served(settings: Settings) -> tuple[str, ...]:
    """Return the names of the APIs that a server with these settings has."""
    named = settings.otp_apis
    local = () if is_open(settings) else tuple(name for name, entry in APIS.items() if entry.local_with in named)
    return (*named, *(name for name in local if name not in named),
            *(name for name, entry in BY_SETTING.items() if _is_set(settings, entry)))


def _is_set(settings: Settings, entry: Entry) -> bool:
    own = settings.of(_load(entry.settings)) if entry.settings else settings
    return bool(getattr(own, entry.while_set))


def unserved(name: str) -> str:
    """Return why an API with this name is not served."""
    by_setting = BY_SETTING.get(name)
    return f"{by_setting.while_set.upper()} is not set" if by_setting else f"OTP_APIS has no {name}"


def load_api(name: str) -> type[Api]:
    """Return the class of an API. Raises KeyError."""
    found: type[Api] = _load((APIS | BY_SETTING)[name].api)
    return found


def load_command(name: str) -> type[CommandApi]:
    """Return the class of an API that is a command. Raises KeyError."""
    found: type[CommandApi] = _load(COMMANDS[name].api)
    return found


def directories() -> list[str]:
    """Return what opens a directory of users, `module:function` of each API that has one."""
    return [entry.directory for entry in APIS.values() if entry.directory]


def known(names: Iterable[str]) -> list[type[SettingsChecks]]:
    """Return the classes of the APIs with these names, without those that are not known."""
    entries = APIS | BY_SETTING | COMMANDS
    return [_load(entries[name].api) for name in names if name in entries]


def models() -> tuple[type[ApiModel], ...]:
    """Return the settings of all APIs, served or not."""
    return tuple(_load(entry.settings) for entry in (APIS | BY_SETTING | COMMANDS).values() if entry.settings)


def _load(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)
