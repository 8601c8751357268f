"""The benchmark fills a store by the programs of this server, whose changes it has to follow."""

import base64
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from otp_app.startup import load
from otp_app.wiring import build

BENCH = Path(__file__).resolve().parent.parent / "bench"


@pytest.mark.slow
def test_a_filled_store_has_live_codes(tmp_path: Path) -> None:
    """They are in the file, the numbers served last."""
    environment = {
        "PYTHONPATH": f"{BENCH.parent}:{BENCH}", "OTP_STORE_URL": f"sqlite:///{tmp_path}/otp.db",
        "OTP_SECRET_KEYS": "k1:" + base64.b64encode(os.urandom(32)).decode(),
        "OTP_INDEX_KEY": base64.b64encode(os.urandom(32)).decode(),
    }  # fmt: skip
    file = tmp_path / "codes"
    program = [sys.executable, str(BENCH / "preload.py"), "30", "8", str(file)]
    subprocess.run(program, env=environment, cwd=tmp_path, check=True, timeout=60)
    codes = dict(line.split() for line in file.read_text().splitlines())
    assert len(codes) == 8
    settings = load({**environment, "OTP_CHANNELS": "console", "OTP_HISTORY_URL": "off"}, tmp_path)
    with closing(build(settings)) as services:
        for number, code in codes.items():
            assert services.verifications.check(code, phone_number=number).approved
