"""The package's own source, parsed, for the tests that hold its shape."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

from tests.running import ROOT

PACKAGE = ROOT / "otp_app"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent.name != "generated")  # by script/protos
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


def name_of(path: Path) -> str:
    """The module of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): tree for path, tree in TREES.items()}


@functools.cache
def imports(tree: ast.AST) -> tuple[str, ...]:
    """Every module that is imported, late and for types only as well. `from package import module` is that module."""
    return tuple(name for node in ast.walk(tree) for name in _imported(node))


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert not node.level, f"line {node.lineno}: an import with dots is not looked at here"
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            yield inner if inner in MODULES else str(node.module)


def functions() -> Iterator[tuple[Path, ast.FunctionDef]]:
    """Every function and method of the package."""
    for path, tree in TREES.items():
        yield from ((path, node) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def place(path: Path, node: ast.AST) -> str:
    """Where something is, as an editor takes it."""
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"
