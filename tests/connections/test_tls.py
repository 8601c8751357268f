"""TLS to other machines: one context for all of a process, as long as it trusts whom it should."""

import ssl
from pathlib import Path
from types import SimpleNamespace

import certifi
import pytest

from otp_app.connections import tls


@pytest.fixture
def authorities(tmp_path, monkeypatch):
    """The file of SSL_CERT_FILE."""
    file = tmp_path / "authorities.pem"
    file.write_bytes(Path(certifi.where()).read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return file


def test_one_context_is_shared(authorities):
    """It takes a MiB and 25 ms; one that its caller may change is its own."""
    assert tls.shared_context() is tls.shared_context()
    assert tls.client_context() is not tls.client_context()


def test_a_file_that_was_replaced_counts_at_once(authorities):
    """A reload trusts whom the file names by then, and nobody where it is gone or has no certificate."""
    before = tls.shared_context()
    replaced = authorities.with_suffix(".new")
    replaced.write_text("".join(map(ssl.DER_cert_to_PEM_cert, before.get_ca_certs(binary_form=True)[:1])))
    replaced.rename(authorities)
    assert len(tls.shared_context().get_ca_certs()) == 1
    authorities.write_text("none")
    assert tls.fault()
    authorities.unlink()
    assert tls.fault()


def test_another_name_counts_at_once(authorities, monkeypatch):
    """Also where there is no such file: that one is not the system's own."""
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: SimpleNamespace(openssl_cafile="/none"))
    system = tls.shared_context()
    monkeypatch.setenv("SSL_CERT_FILE", f"{authorities}.none")
    assert tls.fault()
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    assert tls.shared_context() is not system
