"""script/sbom lists what the server is installed from. The tool has checked the file against CycloneDX's schema."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from otp_app.version import __version__
from tests.conftest import absent
from tests.running import ROOT

pytestmark = pytest.mark.slow


def test_it_has_every_package_of_the_list(tmp_path: Path) -> None:
    """At its version, with its hashes; the server itself is what they are parts of."""
    done = subprocess.run([ROOT / "script/sbom", tmp_path, "requirements.txt"], cwd="/", capture_output=True, text=True)
    if "cannot be reached" in done.stderr:
        absent("a package index")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / f"otp_app-{__version__}.cdx.json").read_text(encoding="utf-8"))
    root = found["metadata"]["component"]
    assert (found["bomFormat"], root["name"], root["version"]) == ("CycloneDX", "otp-app", __version__)
    locked = re.findall(r"^(\S+)==(\S+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted((part["name"], part["version"]) for part in found["components"]) == sorted(locked)
    assert [p["name"] for p in found["components"] if not p["externalReferences"][0]["hashes"]] == []
