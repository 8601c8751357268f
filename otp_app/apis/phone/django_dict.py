"""The text of a Django project's dict: JSON, or a Python literal."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

WHAT_TO_WRITE = "write a JSON object, or the dict of a Django project's settings with literal values only"
TWICE = "a key is written twice: keep one of the two"


def read_dict(text: str) -> dict[str, Any]:
    """Return the dict. Raises ValueError with the line that cannot be read, and nothing of it."""
    keys: list[list[Any]] = []  # of each dict, as they are written

    def noted(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys.append([key for key, _ in pairs])
        return dict(pairs)

    try:
        found = json.loads(text, object_pairs_hook=noted)
    except (ValueError, RecursionError):
        found, keys = _literal(text), list(_keys(text))
    if any(len(set(of_one)) < len(of_one) for of_one in keys):
        raise ValueError(TWICE)
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise ValueError(WHAT_TO_WRITE)
    return found


def _keys(text: str) -> Iterator[list[Any]]:
    """Yield the keys of each dict in a literal that can be read."""
    for node in ast.walk(ast.parse(text.strip(), mode="eval")):
        if isinstance(node, ast.Dict):
            yield [key.value for key in node.keys if isinstance(key, ast.Constant)]


def _literal(text: str) -> Any:
    """Return the value of a Python literal. Raises ValueError with the first line that cannot be read."""
    try:
        return ast.literal_eval(text.strip())
    except SyntaxError as error:
        line = error.lineno
    except ValueError as error:  # names or calls, such as os.environ["SID"], which only Python itself could compute
        found = re.search(r"on line (\d+)", str(error))
        line = int(found[1]) if found else None
    except (TypeError, MemoryError, RecursionError):
        line = None
    raise ValueError(f"line {line} cannot be read: {WHAT_TO_WRITE}" if line else WHAT_TO_WRITE)
