"""`python -m otp_app grpc`: why it does not start, TLS, and what it loads."""

import os
import socket
import subprocess
import sys
from contextlib import closing

import grpc
import pytest

from otp_app import startup
from otp_app.apis import COMMANDS, load_command
from otp_app.apis.grpc import api
from otp_app.cli import starting
from otp_app.startup import BadSettings
from otp_app.stores.memory import MemoryStore
from otp_app.wiring import build
from tests.apis.grpc.calling import OK, Client
from tests.apis.grpc.running import RunningGrpc
from tests.command import run
from tests.conftest import require
from tests.running import KEYS, ROOT, free_port
from tests.web.site import SETTINGS, api_key

KEY = api_key("shop", "send+verify", "key")
CHANNEL = SETTINGS["otp_channels"]
PEM = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"


def faults(**environ):
    with pytest.raises(BadSettings) as refused:
        startup.load(environ, command="grpc")
    return refused.value.faults


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Commands run in a folder of their own, and leave the log to pytest."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(starting, "set_up", lambda *_: None)


@pytest.mark.parametrize("more", [{}, {"OTP_PUBLIC": "1", "OTP_COUNTRIES": "US"}])
def test_beyond_loopback_it_needs_keys(more):
    """A public server too."""
    given = {"OTP_GRPC_HOST": "0.0.0.0", "OTP_CHANNELS": CHANNEL, **more}
    (fault,) = faults(**given)
    assert fault.startswith("OTP_GRPC_HOST: the address can be reached from elsewhere: set OTP_API_KEYS")
    settings = startup.load(given | {"OTP_API_KEYS": KEY}, command="grpc")
    assert [line.partition(":")[0] for line in load_command("grpc").advice(settings)] == ["OTP_GRPC_TLS_CERTIFICATE"]


def test_a_public_server_without_keys_says_whom_it_answers():
    """OTP_PUBLIC=1 is for browsers, which do not speak gRPC; the HTTP server has others to answer."""
    given = {"OTP_CHANNELS": CHANNEL, "OTP_PUBLIC": "1", "OTP_COUNTRIES": "US"}
    (line,) = load_command("grpc").advice(startup.load(given, command="grpc"))
    assert line.startswith("OTP_API_KEYS: not set, so this server answers every call from this machine")
    assert load_command("grpc").advice(startup.load(given | {"OTP_API_KEYS": KEY}, command="grpc")) == []


@pytest.mark.parametrize(
    ("given", "begin"),
    [
        ({"OTP_GRPC_TLS_CERTIFICATE": PEM}, "OTP_GRPC_TLS_CERTIFICATE, OTP_GRPC_TLS_KEY: set both or neither"),
        ({"OTP_GRPC_TLS_KEY": PEM}, "OTP_GRPC_TLS_CERTIFICATE, OTP_GRPC_TLS_KEY: set both or neither"),
        ({"OTP_GRPC_TLS_CLIENT_CA": PEM}, "OTP_GRPC_TLS_CLIENT_CA: it needs OTP_GRPC_TLS_CERTIFICATE"),
        ({"OTP_GRPC_TLS_CLIENT_CA": ""}, "OTP_GRPC_TLS_CLIENT_CA: it is empty"),
        ({"OTP_GRPC_TLS_CERTIFICATE": ""}, "OTP_GRPC_TLS_CERTIFICATE: it is empty"),
        ({"OTP_GRPC_TLS_KEY_FILE": ""}, "OTP_GRPC_TLS_KEY_FILE: it is empty"),
        ({"OTP_GRPC_TLS_KEY": "/etc/key.pem"}, "OTP_GRPC_TLS_KEY: write PEM text"),
        ({"OTP_GRPC_PORT": "0"}, "OTP_GRPC_PORT: write a whole number from 1 to 65535"),
    ],
)
def test_settings_that_do_not_fit(given, begin):
    """Are reported in one line."""
    (fault,) = faults(**given)
    assert fault.startswith(begin)


def test_a_missing_package_is_reported_with_its_command(monkeypatch):
    """To the command only: the HTTP server does not need it."""
    monkeypatch.setattr(api, "find_spec", lambda name: None)
    (fault,) = faults()
    assert fault.startswith("grpc: this API needs another package: ")
    assert fault.endswith(" --require-hashes -r requirements-grpc.txt")
    startup.load({"OTP_GRPC_PORT": "50052"})


def test_http_does_not_serve_it():
    """OTP_APIS names what gunicorn serves."""
    with pytest.raises(BadSettings, match=r"OTP_APIS: .*; grpc is served by python -m otp_app grpc"):
        startup.load({"OTP_APIS": "native,grpc"})


def test_a_port_in_use(capsys, monkeypatch):
    """Status 75, as systemd may try again: another server of this kind may be about to end."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("OTP_GRPC_PORT", str(other.getsockname()[1]))
        ended = run(capsys, "grpc")
    assert ended.status == os.EX_TEMPFAIL
    assert "OTP_GRPC_HOST, OTP_GRPC_PORT: cannot listen there: Address already in use\n" in ended.error


def test_a_store_that_is_away_may_be_replaced_by_memory(monkeypatch):
    """As the HTTP server has it; the choice is the start's."""
    given = {"OTP_STORE_URL": "redis://127.0.0.1:1/0", "OTP_STORE_FALLBACK": "memory", **KEYS}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with closing(build(starting.prepared(startup.load(command="grpc")))) as services:
        assert isinstance(services.store, MemoryStore)
        assert services.settings.otp_store_fallback == ""


def test_faults_are_one_line_each(capsys, monkeypatch):
    """And status 78: an operator has to change something."""
    monkeypatch.setenv("OTP_GRPC_HOST", "0.0.0.0")
    ended = run(capsys, "grpc")
    assert (ended.status, len(ended.error.splitlines())) == (os.EX_CONFIG, 1)


def test_a_certificate_without_its_key(capsys, monkeypatch):
    """Is no traceback."""
    monkeypatch.setenv("OTP_GRPC_TLS_CERTIFICATE", PEM)
    monkeypatch.setenv("OTP_GRPC_TLS_KEY", PEM)
    monkeypatch.setenv("OTP_GRPC_PORT", str(free_port()))
    ended = run(capsys, "grpc")
    assert (ended.status, ended.error.splitlines()[-1][:24]) == (os.EX_CONFIG, "OTP_GRPC_TLS_CERTIFICATE")


LOADED = """
import sys
{}
print([name for name in ("flask", "grpc", "google.protobuf") if name in sys.modules])
"""
HTTP = """
import otp_app.core.service
from otp_app import create_app, startup
create_app(startup.load({"OTP_STORE_URL": "memory://", "OTP_GRPC_PORT": "50052"}))
"""
COMMAND = """
from otp_app import startup
from otp_app.cli import apis, starting
apis.build(starting.prepared(startup.load(command="grpc"))).close()
import otp_app.apis.grpc.server
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "loaded"), [(HTTP, "['flask']"), (COMMAND, "['grpc', 'google.protobuf']")], ids=["http", "grpc"]
)
def test_each_server_loads_its_own(program, loaded):
    """The HTTP server no grpc, though its settings are given, and the gRPC server no Flask."""
    ended = subprocess.run(
        [sys.executable, "-c", LOADED.format(program)], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(ROOT), "OTP_STORE_URL": "memory://"},
    )  # fmt: skip
    assert ended.stdout == f"{loaded}\n"


def certificate(folder, name):
    """One for 127.0.0.1 that vouches for itself, and its key."""
    key, pem = folder / f"{name}.key", folder / f"{name}.pem"
    command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", pem]
    subprocess.run([require("openssl"), *command.split(), *names], check=True, capture_output=True)
    return key, pem


@pytest.mark.slow
def test_mutual_tls(tmp_path):
    """A client needs a certificate of the authority, and trusts the server's; without TLS nobody is served."""
    (key, pem), (client_key, client_pem) = certificate(tmp_path, "server"), certificate(tmp_path, "client")
    settings = {
        "OTP_GRPC_TLS_CERTIFICATE_FILE": str(pem), "OTP_GRPC_TLS_KEY_FILE": str(key), "PYTHONPATH": str(ROOT),
        "OTP_GRPC_TLS_CLIENT_CA_FILE": str(client_pem), "OTP_STORE_URL": "memory://",
    }  # fmt: skip
    shown = {"private_key": client_key.read_bytes(), "certificate_chain": client_pem.read_bytes()}
    with RunningGrpc(tmp_path, **settings) as server:
        codes = []
        for more in (shown, {}):
            credentials = grpc.ssl_channel_credentials(pem.read_bytes(), **more)
            with Client("", channel=grpc.secure_channel(server.target, credentials)) as client:
                codes.append(client.verify("+14155552671", "123456").code)
        with server.client() as client:
            codes.append(client.verify("+14155552671", "123456").code)
    assert codes == [OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAVAILABLE]


def test_every_command_is_listed(capsys):
    """With what it serves."""
    assert all(f"Serve the API {name}." in run(capsys, "--help").output for name in COMMANDS)
