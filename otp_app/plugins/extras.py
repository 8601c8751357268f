"""Packages that only some set-ups need, and the command that installs each of them."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

#: Package, with all below it -> the extra of otp-app that has it.
EXTRAS = {
    "alembic": "accounts",
    "connectrpc": "accounts",
    "cryptography": "eddsa",
    "flask_swagger_ui": "docs",
    "grpcio": "grpc",
    "opentelemetry": "otel",
    "pika": "amqp",
    "psycopg": "postgres",
    "psycopg_pool": "postgres",
    "redis": "redis",
    "sqlalchemy": "accounts",
}
CHECKOUT = Path(__file__).parents[2]


def install_command(package: str) -> str:
    """Return the command for this Python environment. One that uv made has no pip.

    In a checkout it installs the versions of a lock file, which has what the server needs too.
    """
    tool = f"{sys.executable} -m pip install" if find_spec("pip") else f"uv pip install --python {sys.executable}"
    if (extra := EXTRAS.get(package.partition(".")[0])) is None:
        return f"{tool} {package}"
    lock = f"requirements-{extra}.txt"
    return f"{tool} --require-hashes -r {lock}" if (CHECKOUT / lock).exists() else f"{tool} 'otp-app[{extra}]'"
