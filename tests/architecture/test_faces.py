"""A face can be taken away: its file or folder and its entry, and nothing else knows."""

import re
import shutil
import subprocess
import sys

import pytest

from otp_app.apis import FACES
from tests.architecture.source import PACKAGE, ROOT

#: the native face's own words are what other faces are measured by: it stays
REMOVABLE = sorted(FACES.keys() - {"native"})


def modules(name):
    """The modules of a face's blueprints, as the table names them."""
    return {blueprint.partition(":")[0] for blueprint in FACES[name].blueprints}


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
    for module in modules(name):
        (tmp_path / f"{module.replace('.', '/')}.py").unlink()
    table = tmp_path / "otp_app" / "apis" / "__init__.py"
    text, entries = re.subn(rf'    "{name}": Face\(.*\n(     .*\n|    \),\n)*', "", table.read_text(encoding="utf-8"))
    assert entries == 1
    table.write_text(text, encoding="utf-8")
    command = [sys.executable, "-c", ANSWERS]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.splitlines()[-1:]) == (0, ["200 True"]), ended.stderr


#: lines that all views of a face may have, where it is not 200
VIEWS = {"native": 220}


def lines(path):
    return len(path.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("name", sorted(FACES))
def test_a_face_is_thin(name):
    """What decides is in the core."""
    views = [ROOT / f"{module.replace('.', '/')}.py" for module in modules(name)]
    assert sum(map(lines, views)) <= VIEWS.get(name, 200)
