"""docs/proof.md shows the verifiers that were tested."""

import re

import pytest

from tests.architecture.source import ROOT

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGE = (ROOT / "docs" / "proof.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("kind", "name"), [("python", "verify.py"), ("js", "verify.mjs"), ("php", "verify.php")])
def test_the_page_shows_the_file(kind, name):
    """To the letter, and links it."""
    shown = [text for found, text in BLOCK.findall(PAGE) if found == kind]
    assert shown == [(ROOT / "examples" / "proof" / name).read_text(encoding="utf-8")]
    assert f"(../examples/proof/{name})" in PAGE
