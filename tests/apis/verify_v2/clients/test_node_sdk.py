"""Twilio's own Node client, installed as package-lock.json says, against our server."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.apis.verify_v2.clients.conftest import ACCOUNT, TOKEN
from tests.conftest import absent, require

FOLDER = Path(__file__).with_name("node")
NODE = 20  # the oldest that the client runs on
#: how npm says that it cannot reach the packages
OUT_OF_REACH = re.compile("ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED")


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """A folder outside the repository with the script and the client, installed once."""
    node, npm = require("node"), require("npm")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.removeprefix("v").split(".")[0]) < NODE:
        absent(f"node {NODE} or newer (this is {version.strip()})")
    folder = tmp_path_factory.mktemp("node") / "flow"
    shutil.copytree(FOLDER, folder)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180, check=False)
    if done.returncode and (reason := OUT_OF_REACH.search(done.stderr)):
        absent(f"npm's packages ({reason[0]})")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("own_served", ["sqlite"], indirect=True)
def test_every_call_of_the_client(own_served, installed):
    where = [own_served.server.url, f"{own_served.provider.url}/_fake/code", ACCOUNT, TOKEN]
    command = [require("node"), "flow.mjs", *where, *(own_served.number() for _ in range(3))]
    done = subprocess.run(command, cwd=installed, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    wanted = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))["dependencies"]["twilio"]
    assert done.stdout == f"twilio-node {wanted}: ok\n"


def test_the_lock_names_no_place():
    """Versions and their hashes, and no host to get them from: each machine has its own."""
    packages = json.loads((FOLDER / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    locked = {name: package for name, package in packages.items() if name}
    assert [name for name, package in locked.items() if not {"version", "integrity"} <= package.keys()] == []
    assert [name for name, package in locked.items() if "resolved" in package] == []
