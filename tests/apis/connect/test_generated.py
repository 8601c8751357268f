"""The code of the .proto files is what the compiler makes of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from otp_app.apis.connect.generated import auth_connect, otp_connect
from tests.architecture.source import PACKAGE

FOLDER = PACKAGE / "apis" / "connect"
PROTOS = sorted(path.name for path in FOLDER.glob("*.proto"))


@pytest.mark.slow
def test_the_generated_code_is_of_these_protos(tmp_path):
    """script/protos was run after the last change of one."""
    plugins = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", str(FOLDER), f"--py_out={tmp_path}"]
    subprocess.run([*command, f"--connectrpc_out={tmp_path}", *PROTOS], env=plugins, check=True)
    made = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.py")}
    kept = {path.name: path.read_text(encoding="utf-8") for path in (FOLDER / "generated").glob("*_*.py")}
    assert len(PROTOS) == 2
    assert kept == {name: text for name, text in made.items() if name != "__init__.py"} | {
        name: text for name, text in kept.items() if name.startswith("__")
    }


@pytest.mark.parametrize("service", [auth_connect.AuthService, otp_connect.OtpService])
def test_every_rpc_has_a_view(desk, service):
    """And every view is one of an RPC."""
    described = service.desc()
    paths = {f"/{described.type_name}/{method.name}" for method in described.methods}
    served = {rule.rule for rule in desk.site.app.url_map.iter_rules() if described.type_name in rule.rule}
    assert served == paths
