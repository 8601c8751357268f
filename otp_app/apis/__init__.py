"""The APIs, one folder each, and one line each in this table.

An API is removed by deleting its folder, its tests and its line.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from otp_app.settings.model import ApiModel
    from otp_app.web.api import Api


class Entry(NamedTuple):
    """The class of an API (web/api.py), imported only if it is served, and that of its settings (settings/model.py)."""

    api: str
    settings: str = ""


APIS = {
    "native": Entry("otp_app.apis.native.api:NativeApi"),
    "phone": Entry("otp_app.apis.phone.api:PhoneApi", "otp_app.apis.phone.settings:PhoneSettings"),
    "users": Entry("otp_app.apis.users.api:UsersApi", "otp_app.apis.users.settings:UsersSettings"),
    "verify_v2": Entry("otp_app.apis.verify_v2.api:VerifyApi", "otp_app.apis.verify_v2.settings:VerifySettings"),
}


def load_api(name: str) -> type[Api]:
    """Return the class of an API. Raises KeyError."""
    found: type[Api] = _load(APIS[name].api)
    return found


def known(names: Iterable[str]) -> list[type[Api]]:
    """Return the classes of the APIs with these names, without those that are not known."""
    return [load_api(name) for name in names if name in APIS]


def models() -> tuple[type[ApiModel], ...]:
    """Return the settings of all APIs, served or not."""
    return tuple(_load(entry.settings) for entry in APIS.values() if entry.settings)


def _load(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)
