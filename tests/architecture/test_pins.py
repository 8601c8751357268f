"""What is installed, and what keeps it so."""

import re
import tomllib
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.source import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WANTED = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
FOR_DEVELOPMENT = [Requirement(text) for text in PROJECT["dependency-groups"]["dev"]]
EXTRAS = {
    f"requirements-{extra}.txt": [Requirement(text) for text in texts]
    for extra, texts in PROJECT["project"]["optional-dependencies"].items()
}
LOCKS = ("requirements.txt", "requirements-dev.txt", *EXTRAS)


def entries(lock):
    """Each entry of a lock as one line, its hashes included."""
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def pins(lock):
    """Name -> version, of the entries that are for this machine."""
    found = (Requirement(line.split(" --hash")[0]) for line in entries(lock))
    here = [pin for pin in found if pin.marker is None or pin.marker.evaluate()]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in here}


def test_gunicorn_is_27_without_extras():
    """Its [fast] extra brings gunicorn 26 back without a word."""
    (gunicorn,) = [wish for wish in WANTED if wish.name == "gunicorn"]
    assert (str(gunicorn.specifier), gunicorn.extras) == ("<28,>=27", set())
    assert "gunicorn-h1c" not in pins("requirements-dev.txt")


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_whole(lock):
    """Each pin has hashes, each dependency a version that will do, and no index is named: that is the machine's own.

    phonenumberslite and phonenumbers install into the same folder, so there is one of them.
    """
    text, pinned, lines = (ROOT / lock).read_text(encoding="utf-8"), pins(lock), entries(lock)
    pin = re.compile(r"[a-z0-9-]+==[^ ]+ .*--hash=sha256:[0-9a-f]{64}")
    assert lines
    assert [line for line in lines if not pin.match(line)] == []
    assert {name for name in pinned if name.startswith("phonenumbers")} == {"phonenumberslite"}
    assert unmet(WANTED, pinned) == []
    assert not re.search(r"^\s*(-i|--index-url|--extra-index-url|--find-links|--trusted-host|-f)\b", text, re.MULTILINE)
    assert "://" not in text


def unmet(wishes, pinned):
    """The wishes of pyproject.toml for which a lock has no version that will do."""
    return [str(wish) for wish in wishes if not wish.specifier.contains(pinned[canonicalize_name(wish.name)])]


def test_what_tests_need_is_locked_apart():
    """In the lock for development, and not in the server's."""
    assert unmet(FOR_DEVELOPMENT, pins("requirements-dev.txt")) == []
    assert {canonicalize_name(wish.name) for wish in FOR_DEVELOPMENT} & pins("requirements.txt").keys() == set()


@pytest.mark.parametrize(("lock", "wishes"), EXTRAS.items(), ids=str)
def test_an_extra_is_locked_beside_the_server(lock, wishes):
    """Its file installs the server with it, and the server's own file installs neither."""
    assert unmet(wishes, pins(lock)) == []
    assert pins("requirements.txt").items() < pins(lock).items()
    assert {canonicalize_name(wish.name) for wish in wishes} & pins("requirements.txt").keys() == set()


@pytest.mark.parametrize("lock", LOCKS)
def test_development_has_all_that_the_server_has(lock):
    """At the same versions: what is tested is what runs."""
    assert pins(lock).items() <= pins("requirements-dev.txt").items()


#: lists of tools, which no server is installed from
TOOLS = {"requirements-build.txt": "build", "requirements-sbom.txt": "sbom",
         "requirements-site.txt": "site"}  # fmt: skip


@pytest.mark.parametrize(("lock", "group"), TOOLS.items())
def test_a_tool_is_locked_apart(lock, group):
    """With hashes, and where tests have the same package, at the version that they have."""
    wishes = [Requirement(text) for text in PROJECT["dependency-groups"][group]]
    assert unmet(wishes, pins(lock)) == []
    assert [line for line in entries(lock) if "--hash=sha256:" not in line] == []
    dev = pins("requirements-dev.txt")
    assert {name: dev[name] for name in pins(lock).keys() & dev.keys()} == {
        name: version for name, version in pins(lock).items() if name in dev
    }


def test_installed_is_what_is_locked():
    """These tests ran with the versions of the lock."""
    locked = pins("requirements-dev.txt")
    assert {name: version(name) for name in locked} == locked
