"""The acceptance check of a server that offers Verify v2, run as its own program against ours on every store."""

import subprocess
import sys

from tests.running import ROOT


def test_twilios_client_finds_nothing_amiss(served):
    """All 16 checks, each answer held to Twilio's documents where they are at hand."""
    command = [sys.executable, "-m", "tests.apis.verify_v2.clients.dropin_check"]
    where = ["--base", served.server.url, "--code-url", f"{served.provider.url}/_fake/code"]
    done = subprocess.run(command + where, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    lines = done.stdout.splitlines()
    assert [line for line in lines if not line.startswith("ok  ")] == ["0 failed"], done.stderr
    assert (len(lines), done.returncode) == (17, 0)
