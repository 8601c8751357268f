"""Classes and functions by name, `package.module:Class`, and a clear line where one is missing."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

from otp_app.plugins.extras import install_command
from otp_app.plugins.isolation import PluginFault, isolated

#: `package.module:Class` or `package.module:function`
OBJECT_PATH = r"[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*"
#: the same, then `?options` if any
CLASS_PATH = re.compile(rf"(?P<target>{OBJECT_PATH})(\?.*)?")


def load_object(target: str, what: str) -> Callable[..., Any]:
    """Return the class or function that `module:Name` names; `what` it is said to be. Raises ValueError, one line."""
    module, _, name = target.partition(":")
    try:
        found: Callable[..., Any] | None = isolated(_find, module, name)
    except PluginFault as fault:
        raise ValueError(_explain(module, fault, what)) from fault.error
    if not callable(found):
        raise ValueError(f"{module} has no {name} that can be called: name something that it has")
    return found


def construct(target: str, what: str, *arguments: Any, **options: Any) -> Any:
    """Return what `module:Name`, called with these, returns. Raises ValueError with one line.

    The text of a ValueError of the class is that line: classes say so what to change in a URL.
    """
    made_by = load_object(target, what)
    try:
        return isolated(made_by, *arguments, **options)
    except PluginFault as fault:
        own = " ".join(str(fault.error).split()) if isinstance(fault.error, ValueError) else ""
        raise ValueError(own or f"{target} cannot be opened: {fault}") from fault.error


def _find(module: str, name: str) -> Any:
    return getattr(import_module(module), name, None)


def _explain(module: str, fault: PluginFault, what: str) -> str:
    error = fault.error
    if isinstance(error, ModuleNotFoundError):
        return _missing(module, error.name or "", what)
    return f"{module} cannot be imported: {' '.join(str(error).split()) if isinstance(error, ImportError) else fault}"


def _missing(module: str, missing: str, what: str) -> str:
    if f"{module}.".startswith(f"{missing}."):
        return f"there is no module {missing}: write package.module:Class of a module that Python can find"
    package = missing.partition(".")[0]
    return f"this {what} needs another package: {install_command(package)}"
