"""TLS to other machines: whose certificates are trusted."""

from __future__ import annotations

import os
import ssl


def client_context() -> ssl.SSLContext:
    """Return TLS that trusts the authorities in the file SSL_CERT_FILE and no others; without the name, the system's.

    OpenSSL by itself trusts the system's folder of certificates in addition, and them alone if there is no such file.
    Raises ValueError, in one line.
    """
    try:
        return ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or None)
    except OSError:  # ssl.SSLError is one
        raise ValueError("SSL_CERT_FILE: no certificate can be read there: name a PEM file, or remove it") from None


def fault() -> str | None:
    """Return a line for why there is no TLS to other machines; None where there is."""
    try:
        client_context()
    except ValueError as error:
        return str(error)
    return None
