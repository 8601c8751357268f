"""The broken stand-in as a process of its own, for tests of the whole server."""

import json
import subprocess
import sys
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.running import ROOT


@pytest.fixture
def url():
    command = [sys.executable, "-m", "tests.twilio.broken_twilio", "--port", "0", "--modes", "503,ok"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().strip()
        process.terminate()


def test_its_log_and_its_modes_are_at_hand(url):
    """Modes are given at the start or later, and the log tells every request in order, control apart."""
    with pytest.raises(HTTPError, match="503"):
        urlopen(f"{url}/one", b"To=%2B1")
    assert json.load(urlopen(f"{url}/two", b"To=%2B2"))["status"] == "queued"
    urlopen(f"{url}/_modes", b"400:21211,ok").close()
    with pytest.raises(HTTPError, match="400"):
        urlopen(f"{url}/three", b"To=%2B3")
    with urlopen(f"{url}/_posts") as answer:
        posts = json.load(answer)
    assert [(post["path"], post["form"]) for post in posts] == [
        ("/one", {"To": "+1"}),
        ("/two", {"To": "+2"}),
        ("/three", {"To": "+3"}),
    ]
    assert [post["at"] for post in posts] == sorted(post["at"] for post in posts)
