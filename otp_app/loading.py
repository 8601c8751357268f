"""Classes and functions by name: `package.module:Class`, with words for what is missing."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

#: `package.module:Class` or `package.module:function`
OWN_NAME = r"[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*"
#: the same, then `?options` if any
OWN_CLASS = re.compile(rf"(?P<target>{OWN_NAME})(\?.*)?")

#: Module -> what pip has to install for it, where that is not the module's name alone.
PIP_NAMES = {
    "cryptography": "'cryptography>=46,<51'",
    "psycopg": "'psycopg[binary,pool]>=3.3,<4'",
    "psycopg_pool": "'psycopg[binary,pool]>=3.3,<4'",
    "redis": "'redis>=5,<8'",
}


def load_object(target: str, what: str) -> Callable[..., Any]:
    """Return the class or function that `module:Name` names; `what` it is said to be. Raises ValueError, one line."""
    module, _, name = target.partition(":")
    try:
        holder = import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(_missing(module, error.name or "", what)) from error
    except ImportError as error:
        raise ValueError(f"{module} cannot be imported: {error}") from error
    except Exception as error:  # somebody's module may raise anything while it is imported
        raise ValueError(f"{module} cannot be imported: {type(error).__name__}") from error
    found: Callable[..., Any] | None = getattr(holder, name, None)
    if not callable(found):
        raise ValueError(f"{module} has no {name} that can be called: name something that it has")
    return found


def _missing(module: str, missing: str, what: str) -> str:
    if f"{module}.".startswith(f"{missing}."):
        return f"there is no module {missing}: write package.module:Class of a module that Python can find"
    package = missing.partition(".")[0]
    return f"this {what} needs another package: pip install {PIP_NAMES.get(package, package)}"
