"""docs/moving.md: what it says of SDKs is what tests run, and its line for a share of the users does that."""

from __future__ import annotations

import json
import re
from importlib.metadata import version

from tests.recipes.recipe import BLOCK
from tests.running import ROOT

TEXT = (ROOT / "docs/moving.md").read_text(encoding="utf-8")
NODE = ROOT / "tests/apis/verify_v2/clients/node/package.json"
RUN = {"python", "js"}  # blocks of these languages are run, here or by the tests of the SDKs


def test_the_tested_versions_are_those_that_the_tests_have():
    python, node = re.findall(r"Python's `twilio` ([\d.]+) and Node's `twilio` ([\d.]+)", TEXT)[0]
    assert version("twilio").startswith(f"{python}.")
    assert json.loads(NODE.read_text(encoding="utf-8"))["dependencies"]["twilio"].startswith(f"{node}.")


def test_the_attributes_are_those_that_the_tests_set():
    """With which the suite points both SDKs here."""
    tested = (ROOT / "docs/verify-v2.md").read_text(encoding="utf-8") + NODE.with_name("flow.mjs").read_text("utf-8")
    for line in re.findall(r"^client\.verify\.(\w+) = ", TEXT, re.MULTILINE):
        assert f"verify.{line} =" in tested


def test_a_share_of_the_users_comes_here():
    """About as many as it says; the same ones each time; and with a larger share all of them still."""
    code = next(block for _, kind, block in BLOCK.findall(TEXT) if kind == "python" and "SHARE" in block)
    phones = [f"+1415555{n:04}" for n in range(4000)]
    moved = {}
    for share in 0, 10, 50, 100:
        namespace: dict = {}
        exec("\n".join(line.removeprefix("   ") for line in code.splitlines()), namespace)
        namespace["SHARE"] = share
        moved[share] = {phone for phone in phones if namespace["is_moved"](phone)}
        assert abs(len(moved[share]) / len(phones) * 100 - share) < 3
    assert moved[0] <= moved[10] <= moved[50] <= moved[100] == set(phones)


def test_all_else_is_marked():
    """A block in a language that no test runs says so right before it."""
    for found in BLOCK.finditer(TEXT):
        if found[2] not in RUN:
            assert TEXT[: found.start()].rstrip().endswith("(not tested):"), found[2]
