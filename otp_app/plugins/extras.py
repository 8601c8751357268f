"""Packages that only some set-ups need, and the command that installs each with the versions of its lock file."""

from __future__ import annotations

import sys
from importlib.util import find_spec

#: Package -> the file that locks it together with what the server needs.
LOCK_FILES = {
    "alembic": "requirements-accounts.txt",
    "connectrpc": "requirements-accounts.txt",
    "cryptography": "requirements-eddsa.txt",
    "grpcio": "requirements-grpc.txt",
    "pika": "requirements-amqp.txt",
    "psycopg": "requirements-postgres.txt",
    "psycopg_pool": "requirements-postgres.txt",
    "redis": "requirements-redis.txt",
    "sqlalchemy": "requirements-accounts.txt",
}


def install_command(package: str) -> str:
    """Return the command for this Python environment. One that uv made has no pip."""
    tool = f"{sys.executable} -m pip install" if find_spec("pip") else f"uv pip install --python {sys.executable}"
    lock = LOCK_FILES.get(package)
    return f"{tool} --require-hashes -r {lock}" if lock else f"{tool} {package}"
