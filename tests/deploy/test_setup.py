"""script/setup.sh: .venv comes about on any machine, whole or not at all, and once."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from tests.deploy.machine import Machine
from tests.running import ROOT

#: uv that notes how often it and pip would try again
UV_RETRIES = '''
case "$1" in
venv) {real} -m venv --without-pip .venv ;;
pip) echo "$UV_HTTP_RETRIES $PIP_RETRIES" >retries ;;
esac
'''
SERVE = "gunicorn -c deploy/gunicorn.conf.py wsgi:app"
INSTALL = "uv pip install --python .venv/bin/python --compile-bytecode --quiet --require-hashes -r requirements.txt"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One with flock and uv."""
    machine = Machine(tmp_path)
    machine.link("flock")
    machine.uv()
    return machine


@pytest.fixture
def bare(tmp_path: Path) -> Machine:
    """One with flock, and without uv or Python."""
    machine = Machine(tmp_path)
    machine.link("flock")
    return machine


def says(machine: Machine, *after: str) -> list[str]:
    """The line that announces an installation, then these."""
    return [f"{machine.root}/script/server: {line}" for line in ("installing requirements.txt into .venv", *after)]


def test_the_first_start_installs_and_serves(machine: Machine) -> None:
    """With hashes, and with one line for the user."""
    assert machine.run("script/server") == (0, says(machine))
    assert machine.journal() == ["uv venv --quiet --python >=3.11 .venv", INSTALL, SERVE]


def test_the_next_start_only_serves(machine: Machine) -> None:
    """It says nothing and installs nothing."""
    machine.run("script/server")
    assert machine.run("script/server") == (0, [])
    assert machine.journal().count(INSTALL) == 1


def test_a_changed_list_is_installed_over_what_is_there(machine: Machine) -> None:
    """In the same environment."""
    machine.run("script/server")
    (machine.root / "requirements.txt").write_text("# something\n")
    assert machine.run("script/server") == (0, says(machine))
    assert machine.journal("uv")[2:] == [f"{INSTALL} --force-reinstall"]


def test_a_half_made_environment_is_completed(machine: Machine) -> None:
    """It looks whole, but whoever made it did not come to the end."""
    machine.run("script/server")
    (machine.root / ".venv/requirements.txt").unlink()
    assert machine.run("script/server") == (0, says(machine))
    assert machine.journal("uv")[-1] == f"{INSTALL} --force-reinstall"


@pytest.mark.parametrize("damage", ["no interpreter", "another version of Python"])
def test_an_environment_that_lost_its_python_is_made_anew(machine: Machine, damage: str) -> None:
    """As after an upgrade of the system."""
    machine.run("script/server")
    if damage == "no interpreter":
        (machine.root / ".venv/bin/python").unlink()
        (machine.root / ".venv/bin/python").symlink_to("/no/python3")
    else:
        (library,) = (machine.root / ".venv/lib").iterdir()
        library.rename(library.with_name("python3.9"))
    assert machine.run("script/server") == (0, says(machine))
    assert [line.split()[1] for line in machine.journal("uv")] == ["venv", "pip", "venv", "pip"]


def test_what_cannot_be_installed_is_one_line(machine: Machine) -> None:
    """Status 1, the tool's last word, and the next start tries again."""
    (machine.root / "fail").write_text("first\nhashes differ\n")
    fault = "cannot install requirements.txt: hashes differ (more in var/setup.log)"
    assert machine.run("script/server") == (1, says(machine, fault))
    (machine.root / "fail").unlink()
    assert machine.run("script/server") == (0, says(machine))


@pytest.mark.parametrize("log", [
    "WARNING: Retrying (Retry(total=1)) after connection broken by 'NameResolutionError(…)'\nERROR: No version",
    "error: Failed to fetch: …\n  cause: client error (Connect)\n  cause: dns error",
])  # fmt: skip
def test_a_missing_network_is_named(machine: Machine, log: str) -> None:
    """pip's last line speaks of a missing version, uv's of a name; the cause of both is the network."""
    (machine.root / "fail").write_text(log)
    status, lines = machine.run("script/server")
    assert (status, len(lines)) == (1, 2)
    assert "the package index cannot be reached: check the network; " in lines[1]


def test_a_machine_without_a_network_says_so_at_once(machine: Machine) -> None:
    """Two retries, not pip's five for each package, unless the operator wants more."""
    machine.stand_in("uv", UV_RETRIES.format(real=sys.executable))
    machine.run("script/server")
    assert (machine.root / "retries").read_text() == "2 2\n"


def test_a_folder_that_cannot_be_written_is_named(machine: Machine) -> None:
    """One line with its path, before anything is installed."""
    machine.root.chmod(0o555)
    for folder in [*machine.root.parents][:-2]:
        folder.chmod(0o755)  # pytest's own are closed to the user of the next line
    nobody = 65534 if os.geteuid() == 0 else None  # mode bits do not bind root
    status, lines = machine.run("script/server", user=nobody)
    assert (status, lines) == (1, [f"{machine.root}/script/server: cannot write to this folder: {machine.root}"])


def test_an_interrupted_change_is_not_forgotten(machine: Machine) -> None:
    """Who goes back to the list of before gets its packages again: some may be of the list that failed."""
    machine.run("script/server")
    (machine.root / "requirements.txt").write_text("# something\n")
    (machine.root / "fail").write_text("hashes differ")
    assert machine.run("script/server")[0] == 1
    (machine.root / "fail").unlink()
    (machine.root / "requirements.txt").write_text("# nothing\n")
    assert machine.run("script/server") == (0, says(machine))


@pytest.mark.parametrize("flock", [True, False])
def test_of_two_starts_one_installs(tmp_path: Path, flock: bool) -> None:
    """The other waits for it; both serve. Where there is no flock too."""
    machine = Machine(tmp_path)
    machine.uv()
    if flock:
        machine.link("flock")
    both = [machine.begin("script/server") for _ in range(2)]
    assert [start.communicate(timeout=60)[0] and start.returncode for start in both] == [0, 0]
    assert machine.journal("uv") == ["uv venv --quiet --python >=3.11 .venv", INSTALL]
    assert machine.journal("gunicorn") == [SERVE] * 2
    assert not (machine.root / "var/setup.lock").is_symlink()


def test_a_lock_whose_owner_is_gone_is_nobodys(tmp_path: Path) -> None:
    """As after a kill in the middle, where there is no flock."""
    machine = Machine(tmp_path)
    machine.uv()
    (machine.root / "var").mkdir()
    (machine.root / "var/setup.lock").symlink_to("99999999")
    assert machine.run("script/server") == (0, says(machine))


def test_python_with_pip_is_enough(bare: Machine) -> None:
    """Debian without python3-venv, but with python3-pip: the system's pip installs into an environment without one."""
    bare.python(pip=True)
    assert bare.run("script/server") == (0, says(bare))
    (install,) = (line for line in bare.journal("python3") if "install" in line)
    assert install.startswith("python3 -m pip --python .venv/bin/python install")
    assert install.endswith("--quiet --require-hashes -r requirements.txt")


def test_without_any_pip_it_says_what_to_install(bare: Machine) -> None:
    """Again at the second start: the environment that the first one left is not taken for a whole one."""
    bare.python()
    reason = "there is no pip: apt install python3-venv, or install uv"
    fault = f"cannot install requirements.txt: {reason} (more in var/setup.log)"
    assert bare.run("script/server") == (1, says(bare, fault))
    assert bare.run("script/server") == (1, says(bare, fault))
    assert bare.journal().count("python3 -m venv .venv") == 2


def test_the_python_that_brings_pip_along_is_taken(bare: Machine) -> None:
    """Even where a newer one is there that does not."""
    bare.python("python3.13")
    bare.python("python3.12", ensurepip=True)
    bare.run("script/server")
    assert "python3.12 -m venv .venv" in bare.journal()
    assert "python3.13 -m venv .venv" not in bare.journal()


def test_without_python_it_says_what_it_needs(bare: Machine) -> None:
    """One line after the announcement, status 1."""
    fault = "needs Python 3.11 or later with venv (apt install python3-venv), or uv; found no Python"
    assert bare.run("script/server") == (1, says(bare, fault))


def test_an_old_python_does_not_count(bare: Machine) -> None:
    """3.10 is there; the message names the version that was found."""
    bare.stand_in("python3", '[ "$1" = -V ] || exit 1 # sys.version_info < (3, 11)\necho Python 3.10.4\n')
    status, lines = bare.run("script/server")
    assert (status, lines[-1].rpartition("; ")[2]) == (1, "found Python 3.10.4")


def test_the_list_for_development_has_all_of_the_other(tmp_path: Path) -> None:
    """At the same versions: whoever has it needs no second installation to serve."""
    small, large = (set(re.findall(r"^\S+==\S+", (ROOT / name).read_text(), re.MULTILINE))
                    for name in ("requirements.txt", "requirements-dev.txt"))  # fmt: skip
    assert small
    assert small <= large


def test_a_tree_for_development_serves_at_once(machine: Machine) -> None:
    """script/check installed more; script/server has nothing to add."""
    machine.run("script/check")
    assert machine.run("script/server") == (0, [])
