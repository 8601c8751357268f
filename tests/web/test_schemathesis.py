"""A stranger reads /openapi.json and tries whatever it can think of: every answer is one that the document has."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from otp_app.apis import APIS
from tests.rounds import rounds
from tests.running import KEY, ROOT, WRITTEN_TO, RunningServer

pytestmark = pytest.mark.slow

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance"
)
SETTINGS = {
    "OTP_APIS": ",".join(APIS), "OTP_CHANNELS": "console", "OTP_RESEND_GAPS": "", "OTP_COOL_DOWNS": "",
    "OTP_SENDS_PER_HOUR": "0", "OTP_SENDS_PER_DAY": "0", "OTP_PROOF_KEYS": f"p1:HS256:{KEY}", **WRITTEN_TO,
}  # fmt: skip


def serve(folder, code=ROOT):
    """A server of everything, on the code that is in a folder."""
    (folder / "users.csv").write_text("user_id,phone_number\nabc,+14155552671\n", encoding="ascii")
    (folder / "templates.toml").write_text('[order_shipped]\nsms = "Order {number}"\n', encoding="ascii")
    server = RunningServer(
        folder, provider="", store="memory://", OTP_DIRECTORY_URL=f"file:///{folder}/users.csv",
        OTP_TEMPLATES_FILE=f"{folder}/templates.toml", **SETTINGS
    )
    server.environment["PYTHONPATH"] = str(code)
    return server


def run(server, folder, *options):
    """What schemathesis finds: its exit status and its words. It writes no report and asks nobody else."""
    program = Path(sys.executable).with_name("schemathesis")
    command = [
        program, "--no-color", "run", f"{server.url}/openapi.json", "--checks", CHECKS,
        "--auth", f"AC{'0' * 32}:secret", "--generation-deterministic", "--no-shrink",
        "--continue-on-failure", "--warnings", "off", *options,
    ]  # fmt: skip
    ran = subprocess.run(
        command, cwd=folder, env={"PATH": os.environ["PATH"], "HOME": str(folder), "NO_PROXY": "*"},
        capture_output=True, text=True, check=False, timeout=1200,
    )  # fmt: skip
    return ran.returncode, ran.stdout + ran.stderr


def test_every_answer_is_in_the_document(tmp_path):
    """Of all APIs, to requests that are right and to requests that are wrong."""
    with serve(tmp_path) as server:
        status, words = run(server, tmp_path, "--max-examples", str(rounds(4, 30)))
    assert status == 0, words


def test_it_would_see_a_fault(tmp_path):
    """In a copy of the code whose readyz says another word there is a finding."""
    shutil.copytree(ROOT / "otp_app", tmp_path / "otp_app", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "wsgi.py", tmp_path)
    health = tmp_path / "otp_app/web/health.py"
    text = health.read_text(encoding="utf-8")
    assert '"ready"' in text
    health.write_text(text.replace('"ready"', '"fine"'), encoding="utf-8")
    with serve(tmp_path, tmp_path) as server:
        status, words = run(server, tmp_path, "--include-path", "/readyz", "--max-examples", "1")
    assert status == 1, words
    assert "Response violates schema" in words
