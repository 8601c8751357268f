"""TLS: whom it trusts, and that nothing is sent before the handshake is done."""

import os
import socket
import ssl
import subprocess

import certifi
import pytest

from otp_app.channels.twilio.answers import AT_ONCE
from otp_app.channels.twilio.client import credential_faults
from otp_app.channels.twilio.settings import TwilioSettings
from tests.channels.messages import UNKNOWN, UNREACHABLE, Clock, Stepping, send, sent
from tests.conftest import require
from tests.twilio.broken_twilio import BrokenTwilio


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1 with its key, in one file."""
    require("openssl")
    key, cert = (tmp_path_factory.mktemp("tls") / name for name in ("key.pem", "cert.pem"))
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    cert.write_text(cert.read_text() + key.read_text())
    return cert


@pytest.fixture
def tls(certificate):
    """A TLS server whose certificate only SSL_CERT_FILE can vouch for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with BrokenTwilio(tls=context) as server:
        yield server


def test_tls_with_a_certificate_of_ssl_cert_file(tls, certificate, open_client, monkeypatch):
    """SSL_CERT_FILE names whom to trust; connections are kept alive as without TLS."""
    monkeypatch.setitem(os.environ, "SSL_CERT_FILE", str(certificate))
    client = open_client(tls.url)
    assert all(sent(send(client)) for _ in range(5))
    assert tls.connections == 1


def test_a_second_answer_that_came_with_the_first_is_none_to_the_next(tls, certificate, open_client, monkeypatch):
    """TLS has it already, in the same piece, so the system knows of nothing that waits."""
    monkeypatch.setitem(os.environ, "SSL_CERT_FILE", str(certificate))
    client = open_client(tls.url)
    tls.set(f"twice:{AT_ONCE}", "ok")
    assert all(sent(send(client)) for _ in range(2))
    assert (len(tls.posts), tls.connections) == (2, 2)


@pytest.fixture
def other_authorities(certificate, tmp_path, monkeypatch):
    """SSL_CERT_FILE names another one, while the folder of the system has this one."""
    digest = subprocess.check_output(["openssl", "x509", "-hash", "-noout", "-in", certificate], text=True).strip()
    (tmp_path / f"{digest}.0").symlink_to(certificate)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())


@pytest.mark.usefixtures("other_authorities")
def test_tls_with_an_unknown_certificate(tls, open_client, caplog):
    """The handshake fails before anything is sent, twice; the log names the reason."""
    assert send(open_client(tls.url)) == UNREACHABLE
    assert (len(tls.posts), tls.connections) == (0, 2)
    assert "certificate verify failed" in caplog.text


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_file_of_authorities_without_any_is_a_fault(tmp_path, monkeypatch, content):
    """OpenSSL by itself goes by the system's folder then."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    (line,) = credential_faults(TwilioSettings(twilio_account_sid="AC", twilio_auth_token="x"))
    assert line.startswith("SSL_CERT_FILE: ")


def test_a_handshake_that_breaks_off(broken, open_client):
    """A server that resets the connection instead of a handshake has seen nothing of the message."""
    broken.set("reset-before")
    assert send(open_client(broken.url.replace("http:", "https:"))) == UNREACHABLE
    assert (len(broken.posts), broken.connections) == (0, 2)


@pytest.mark.parametrize("mode", ["hang", "drip:0.05"])
def test_the_deadline_holds_under_tls(tls, certificate, open_client, monkeypatch, mode):
    monkeypatch.setitem(os.environ, "SSL_CERT_FILE", str(certificate))
    tls.set(mode)
    assert send(open_client(tls.url, timeout=0.4)) == UNKNOWN
    assert len(tls.posts) == 1


def test_the_handshake_has_what_is_left_to_connect(open_client):
    """The three seconds are for TCP and TLS together."""
    clock, limits = Clock(), []

    def connect(host, port, timeout):
        ours, theirs = socket.socketpair()
        theirs.close()
        clock.sleep(1.0)
        return Stepping(ours, clock, limits)

    assert send(open_client("https://127.0.0.1", clock=clock, connect=connect)) == UNREACHABLE
    assert limits == [2.0, 2.0]
