"""The APIs, one folder each. Each line names the class of one (web/api.py); its code is imported only if it is served.

An API is removed by deleting its folder, its tests and its line.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otp_app.web.api import Api

APIS = {
    "native": "otp_app.apis.native.api:NativeApi",
    "phone": "otp_app.apis.phone.api:PhoneApi",
    "users": "otp_app.apis.users.api:UsersApi",
    "verify_v2": "otp_app.apis.verify_v2.api:VerifyApi",
}


def load_api(name: str) -> type[Api]:
    """Return the class of an API. Raises KeyError."""
    module, _, attribute = APIS[name].partition(":")
    found: type[Api] = getattr(import_module(module), attribute)
    return found


def known(names: Iterable[str]) -> list[type[Api]]:
    """Return the classes of the APIs with these names, without those that are not known."""
    return [load_api(name) for name in names if name in APIS]
