"""An API can be removed: its folder and its line in the table, and nothing else names it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from otp_app.apis import APIS, BY_SETTING, COMMANDS
from tests.architecture.source import FILES, PACKAGE, ROOT
from tests.rounds import THOROUGH

ANSWERS = """
import json, os, sys
from otp_app.apis import APIS
os.environ |= {"OTP_STORE_URL": "memory://", "OTP_APIS": ",".join(APIS), "OTP_DIRECTORY_URL": "users.csv"}
os.environ |= {"OTP_PUBLIC_URL": "https://otp.example.com", "OTP_CHANNELS": "console"}
os.environ["OTP_TEMPLATES_FILE"] = "templates.toml"
os.environ |= {"TWILIO_WHATSAPP_NUMBER": "+14155238886", "TWILIO_WEBHOOK_KEYS": "k1:secret-of-the-tests"}
from wsgi import app
client = app.test_client()
pages = {rule.rule for rule in app.url_map.iter_rules() if app.view_functions[rule.endpoint].access.page}
print(json.dumps(sorted(pages.union(client.get("/openapi.json", base_url="http://localhost").json["paths"]))))
"""

ALL = APIS | BY_SETTING | COMMANDS
#: API -> a path that only it serves
PATHS = {
    "callbacks": "/callbacks/twilio/status/{verification_id}/{send_id}",
    "connect": "/auth.AuthService/SignupWithPhoneNumber",
    "demo": "/demo",
    "inbound": "/verifications/inbound",
    "metrics": "/metrics",
    "native": "/send-otp",
    "notifications": "/notifications",
    "operator": "/operator",
    "phone": "/api/phone/register",
    "users": "/send-code",
    "verify_v2": "/v2/Services/{service_sid}/Verifications",
}


def copy_without(name: str, folder: Path) -> None:
    """Put a server without this API into a folder, with what is compiled of the others."""
    shutil.copytree(PACKAGE, folder / "otp_app", ignore=shutil.ignore_patterns("*.pyc.*"))
    shutil.copy(ROOT / "wsgi.py", folder)
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copy(ROOT / ".env.example", folder)
    (folder / "docs").mkdir()
    shutil.copy(ROOT / "docs/settings.md", folder / "docs")
    shutil.rmtree(folder / "otp_app" / "apis" / name)
    table = folder / "otp_app" / "apis" / "__init__.py"
    text, lines = re.subn(rf'    "{name}": Entry\([^()]*\),\n', "", table.read_text(encoding="utf-8"))
    assert lines == 1
    table.write_text(text, encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL if THOROUGH else ("native", "users", "phone", "verify_v2"))
def test_an_api_can_be_removed(name, tmp_path):
    """The server starts with the others, and serves all of them; lint is clean, and its settings are not listed."""
    copy_without(name, tmp_path)
    for command in (["-m", "otp_app.startup.reference"], ["-m", "ruff", "check", "-q", "--no-cache"]):
        subprocess.run([sys.executable, *command], cwd=tmp_path, check=True)
    for generated in (".env.example", "docs/settings.md"):
        shorter = (tmp_path / generated).stat().st_size < (ROOT / generated).stat().st_size
        assert shorter == bool(ALL[name].settings)
    (tmp_path / "users.csv").write_text("user_id,phone_number\nann,+14155552671\n", encoding="utf-8")
    (tmp_path / "templates.toml").write_text('[hello]\nsms = "Hello"\n', encoding="utf-8")
    ended = subprocess.run([sys.executable, "-c", ANSWERS], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    served = json.loads(ended.stdout.splitlines()[-1])
    assert {api: path in served for api, path in PATHS.items()} == {api: api != name for api in PATHS}
    described = subprocess.run([sys.executable, "-m", "otp_app", "-h"], cwd=tmp_path, capture_output=True, text=True)
    assert {api for api in COMMANDS if f"Serve the API {api}." in described.stdout} == COMMANDS.keys() - {name}


@pytest.mark.parametrize("name", ALL)
def test_no_other_file_names_an_api(name):
    """Neither its module nor its name, but for the table."""
    own, table = PACKAGE / "apis" / name, PACKAGE / "apis" / "__init__.py"
    names = re.compile(rf"otp_app\.apis\.{name}\b|otp_app\.apis import [^\n]*\b{name}\b")
    found = [path for path in FILES if own not in path.parents and names.search(path.read_text(encoding="utf-8"))]
    assert found == [table]


#: lines that the views of an API may have; what decides is in the core
VIEWS = {"native": 220, "operator": 240}


@pytest.mark.parametrize("name", ALL)
def test_an_api_is_thin(name):
    """Views take fields, call the service, translate."""
    texts = [path.read_text(encoding="utf-8") for path in (PACKAGE / "apis" / name).glob("*.py")]
    views = re.compile(r"@requires\(|^class \w+\(\w+Servicer\):", re.MULTILINE)
    assert 0 < sum(len(text.splitlines()) for text in texts if views.search(text)) <= VIEWS.get(name, 200)
