"""A face can be taken away: its file and its line, and nothing else knows."""

import re
import shutil
import subprocess
import sys

import pytest

from otp_app.faces import FACES
from tests.house.source import PACKAGE, ROOT

#: the native face's own words are what other faces are measured by: it stays
REMOVABLE = sorted(FACES.keys() - {"native"})
ANSWERS = """
import os
os.environ["OTP_STORE_URL"] = "memory://"
from wsgi import app
asked = app.test_client().post("/send-otp", json={"phone_number": "+14155552671"}, base_url="http://localhost")
print(asked.status_code, asked.json["success"])
"""


@pytest.mark.parametrize("name", REMOVABLE)
def test_a_face_can_be_removed(name, tmp_path):
    """The rest imports, starts and answers without it."""
    shutil.copytree(PACKAGE, tmp_path / "otp_app", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "wsgi.py", tmp_path)
    for module in {blueprint.partition(":")[0] for blueprint in FACES[name].blueprints}:
        (tmp_path / "otp_app" / "web" / f"{module}.py").unlink()
    table = tmp_path / "otp_app" / "faces.py"
    text, lines = re.subn(rf'    "{name}": Face\(.*\),\n', "", table.read_text(encoding="utf-8"))
    assert lines == 1
    table.write_text(text, encoding="utf-8")
    command = [sys.executable, "-c", ANSWERS]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.splitlines()[-1:]) == (0, ["200 True"]), ended.stderr


@pytest.mark.parametrize("name", sorted(FACES))
def test_a_face_is_thin(name):
    """Some 200 lines at most: what decides is in the core."""
    modules = {blueprint.partition(":")[0] for blueprint in FACES[name].blueprints}
    sizes = [len((PACKAGE / "web" / f"{module}.py").read_text(encoding="utf-8").splitlines()) for module in modules]
    assert sum(sizes) <= 220
