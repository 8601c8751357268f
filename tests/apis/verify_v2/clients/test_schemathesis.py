"""Requests made up from Twilio's own document: no answer of ours departs from it, and none breaks the server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.apis.verify_v2.clients.conftest import ACCOUNT, TOKEN
from tests.rounds import rounds
from tests.running import ROOT

pytestmark = pytest.mark.slow

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "ignored_auth",
)  # fmt: skip


#: The links are the document's; it infers no others.
CONFIGURATION = "[phases.stateful.inference]\nalgorithms = []\n"
#: fields of a start whose use is refused here: most of what is made up has one of them
REFUSED = (
    "CustomFriendlyName", "CustomMessage", "CustomCode", "Amount", "Payee", "ChannelConfiguration", "AppHash",
    "TemplateSid", "TemplateCustomSubstitutions",
)  # fmt: skip


def contract():
    """Twilio's document with error answers added. It is Twilio's, so it lies beside the repository, not in it."""
    folder = Path(os.environ.get("TWILIO_SPECS") or ROOT.parent / "shared" / "twilio")
    if not (path := folder / "verify_v2_contract.json").is_file():
        pytest.skip("needs verify_v2_contract.json in the folder that TWILIO_SPECS names")
    return json.loads(path.read_text(encoding="utf-8"))


def as_it_is(document):
    return document


def narrowed(document):
    """More of what is taken: numbers that are some, channels of ours, and none of the fields that are refused."""
    path = "/v2/Services/{ServiceSid}/Verifications"
    (form,) = document["paths"][path]["post"]["requestBody"]["content"].values()
    form.pop("examples", None)
    fields = form["schema"]["properties"]
    for name in REFUSED:
        fields.pop(name)
    fields["To"] = {"type": "string", "pattern": r"^\+1415555[0-9]{4}$"}
    fields["Channel"] = {"type": "string", "enum": ["sms", "whatsapp"]}
    for name in ("Tags", "RateLimits"):
        fields[name] = {"type": "string", "enum": ['{"name":"value"}']}
    fields["Locale"] = {"type": "string", "enum": ["de", "en-GB"]}
    return document


@pytest.mark.parametrize("change", [as_it_is, narrowed])
def test_made_up_requests(sqlite_served, tmp_path, change):
    """Many for each operation and those that follow from an answer, the same ones every time."""
    document = tmp_path / "verify_v2.json"
    document.write_text(json.dumps(change(contract())), encoding="utf-8")
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION, encoding="ascii")
    command = [
        Path(sys.executable).with_name("schemathesis"), "run", document, "--url", sqlite_served.server.url,
        "--auth", f"{ACCOUNT}:{TOKEN}", "--checks", ",".join(CHECKS), "--seed", "1",
        "--max-examples", str(rounds(15, 50)),
        "--generation-database", "none", "--no-color", "--warnings", "off",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sqlite_served.started()[0].status == "pending"
