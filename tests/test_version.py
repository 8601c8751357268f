"""There is one version: that of otp_app/version.py. The wheel's is in tests/deploy/test_wheel.py."""

import re

from otp_app.version import __version__
from tests.running import ROOT


def test_it_is_one_of_semantic_versioning():
    """pip, the documents and people order releases by it."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)


def test_programs_see_it(site):
    """In the OpenAPI document, and beside the state of the server."""
    assert site.call("GET", "/openapi.json").json["info"]["version"] == __version__
    assert site.call("GET", "/readyz").json["version"] == __version__


def test_the_pages_have_no_other_one():
    """Where they show an answer of this server."""
    pages = {page.name: page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md")}
    shown = {name: re.findall(r'"version":"(\d+\.[^"]*)"', text) for name, text in pages.items()}
    assert {name: found for name, found in shown.items() if found} == {
        "api.md": [__version__], "install.md": [__version__],
    }  # fmt: skip
