"""TLS to other machines: whose certificates are trusted."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from pathlib import Path


def client_context() -> ssl.SSLContext:
    """Return TLS that trusts the authorities in the file SSL_CERT_FILE and no others; without the name, the system's.

    OpenSSL by itself trusts the system's folder of certificates in addition, and them alone if there is no such file.
    Raises ValueError, in one line.
    """
    try:
        return ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or None)
    except OSError:  # ssl.SSLError is one
        raise ValueError("SSL_CERT_FILE: no certificate can be read there: name a PEM file, or remove it") from None


def shared_context() -> ssl.SSLContext:
    """Return the same as client_context, for callers that change nothing of it. Raises ValueError, in one line.

    This process and those that it forks have one, until the file of authorities is another: it takes 25 ms, and a MiB.
    """
    named = os.environ.get("SSL_CERT_FILE", "")
    file = Path(named or ssl.get_default_verify_paths().openssl_cafile)
    found = file.stat() if file.exists() else None
    state = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns) if found else ()
    return _made_of(named, os.environ.get("SSL_CERT_DIR", ""), state)


@lru_cache(maxsize=1)
def _made_of(*_state: object) -> ssl.SSLContext:
    return client_context()


def fault() -> str | None:
    """Return a line for why there is no TLS to other machines; None where there is."""
    try:
        shared_context()
    except ValueError as error:
        return str(error)
    return None
