"""script/server, script/test, script/check and .ci/run: what they run, in which order, and with which arguments."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.conftest import absent, require
from tests.deploy.machine import Machine
from tests.running import ROOT, free_port, is_healthy, wait_until

ALL_OF_IT = ["ruff check", "mypy", "pytest -n 5"]
PROGRAMS = ("chromium curl fish fonts-inter nginx php-cli postgresql rabbitmq-server redis-server sqlite3 systemd zsh "
            "php-laravel-framework php-sqlite3 wordpress mariadb-server-core php-mysql npm")  # fmt: skip
INSTALL = f"apt-get -qq install -y --no-install-recommends {PROGRAMS}"
POLICY = Path("/usr/sbin/policy-rc.d")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One whose .venv is there already."""
    machine = Machine(tmp_path)
    machine.uv()
    machine.link("bash")
    machine.link("env")
    assert machine.run("script/check")[0] == 0
    (machine.root / "journal").unlink()
    return machine


@pytest.fixture
def debian(machine: Machine) -> Machine:
    """One with Debian's tools where root works and only openssl is there."""
    machine.stand_in("dpkg-query", 'case "$*" in *openssl*) printf installed ;; *) exit 1 ;; esac\n')
    machine.stand_in("apt-get", 'case "$*" in *install*) [ ! -e stale ] || { echo E: no such package; exit 100; } ;; '
                                '*update*) [ -e offline ] || rm -f stale ;; esac\n')  # fmt: skip
    machine.stand_in("id", "echo 0\n")
    return machine


@pytest.mark.parametrize("shell", ["sh", "dash", "bash"])
def test_a_shell_can_read_every_script(shell: str) -> None:
    """POSIX sh, such as dash; .ci/run is for bash."""
    scripts = [ROOT / "script" / name for name in ("server", "test", "check", "setup.sh")]
    for script in scripts if shell != "bash" else [ROOT / ".ci/run"]:
        said = subprocess.run([require(shell), "-n", script], capture_output=True, text=True, check=False).stderr
        assert (script, said) == (script, "")


def test_arguments_of_the_server_go_to_gunicorn(machine: Machine) -> None:
    """As they are."""
    assert machine.run("script/server", "--threads", "8", "-b", "unix:/tmp/a b") == (0, [])
    assert machine.journal() == ["gunicorn -c deploy/gunicorn.conf.py --threads 8 -b 'unix:/tmp/a b' wsgi:app"]


def test_the_server_explains_itself(machine: Machine) -> None:
    """--help runs nothing."""
    status, lines = machine.run("script/server", "--help")
    assert status == 0
    assert "127.0.0.1:5000" in " ".join(lines)
    assert machine.journal() == []


both = pytest.mark.parametrize("script", ["script/test", ".ci/run"])


@both
def test_everything_is_run_in_order(machine: Machine, script: str) -> None:
    """Lint, types, tests."""
    assert machine.run(script) == (0, [])
    assert machine.journal() == ALL_OF_IT


@both
@pytest.mark.parametrize("bad", ["ruff", "mypy", "pytest"])
def test_the_first_that_fails_is_the_last(machine: Machine, script: str, bad: str) -> None:
    """And its failure is the script's."""
    (machine.root / f"fail-{bad}").touch()
    status, _ = machine.run(script)
    assert status != 0
    assert machine.journal() == ALL_OF_IT[: [line.split()[0] for line in ALL_OF_IT].index(bad) + 1]


def test_arguments_of_the_tests_go_to_pytest(machine: Machine) -> None:
    """To nothing else."""
    machine.run("script/test", "tests/x.py", "-k", "one and two")
    assert machine.journal() == ["ruff check", "mypy", "pytest tests/x.py -k 'one and two'"]


def test_the_fast_tests_start_no_other_program(machine: Machine) -> None:
    """They need none either, so none is installed."""
    assert machine.run("script/test", "--fast", "-x") == (0, [])
    folders = "tests/architecture tests/core tests/settings tests/web tests/apis"
    assert machine.journal() == [*ALL_OF_IT[:2], f"pytest -n 2 -m 'not slow' {folders} -x"]


def test_a_check_is_lint_and_types(machine: Machine) -> None:
    """Without tests."""
    assert machine.run("script/check") == (0, [])
    assert machine.journal() == ALL_OF_IT[:2]


needs_container = pytest.mark.skipif(
    Path("/run/systemd/system").exists() or not (POLICY.exists() or os.geteuid() == 0),
    reason="on a machine that runs services the script installs none",
)


@needs_container
def test_programs_that_tests_run_are_installed(debian: Machine) -> None:
    """Those that are missing, in one go; no policy that was not there stays behind."""
    before = POLICY.exists()
    assert debian.run("script/test")[0] == 0
    assert debian.journal("apt-get") == [INSTALL]
    assert debian.journal()[-3:] == ALL_OF_IT
    assert POLICY.exists() == before


@needs_container
def test_a_stale_list_of_packages_is_fetched_anew(debian: Machine) -> None:
    """Once, and only when a package was not found."""
    (debian.root / "stale").touch()
    debian.run("script/test")
    assert debian.journal("apt-get") == [INSTALL, "apt-get -qq update", INSTALL]


@needs_container
def test_a_program_that_a_release_lacks_keeps_no_other_away(debian: Machine) -> None:
    """It alone is left out, and a line names it."""
    debian.stand_in("apt-get", 'case "$*" in *wordpress*) echo E: no such package; exit 100 ;; esac\n')
    status, lines = debian.run("script/test")
    assert status == 0
    assert "some tests are skipped: without wordpress (" in lines[-1]
    assert debian.journal("apt-get")[3:] == [INSTALL.replace(PROGRAMS, name) for name in PROGRAMS.split()]
    assert debian.journal()[-3:] == ALL_OF_IT


@needs_container
def test_without_the_programs_the_tests_run_all_the_same(debian: Machine) -> None:
    """Where they cannot be had, a line says so."""
    (debian.root / "stale").touch()
    (debian.root / "offline").touch()
    status, lines = debian.run("script/test")
    assert status == 0
    assert lines[-1].endswith(f"some tests are skipped: without {PROGRAMS} (more in var/setup.log)")
    assert debian.journal()[-3:] == ALL_OF_IT


@needs_container
def test_node_may_come_from_elsewhere(debian: Machine) -> None:
    """Debian's npm does not install beside another one's Node, and would keep all the others from it."""
    debian.stand_in("npm", "")
    debian.run("script/test")
    assert debian.journal("apt-get") == [INSTALL.removesuffix(" npm")]


def test_who_is_not_root_gets_a_line(debian: Machine) -> None:
    """It names what is missing; apt-get is not asked."""
    debian.stand_in("id", "echo 1000\n")
    missing = INSTALL.partition("recommends ")[2]
    line = f"{debian.root}/script/test: without {missing} some tests are skipped"
    assert debian.run("script/test") == (0, [line])
    assert debian.journal("apt-get") == []


@pytest.mark.slow
def test_a_fresh_clone_serves_with_one_command(tmp_path: Path) -> None:
    """script/server installs, serves, and ends on Ctrl-C with status 0 and no traceback."""
    root, port = clone(tmp_path), free_port()
    given = os.environ | {"PORT": str(port), "PIP_NO_COMPILE": "0"}  # which is how pip is told to compile nothing
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([root / "script/server"], cwd="/", env=given, stdout=log, stderr=log,
                                   stdin=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
    try:
        wait_until(lambda: process.poll() is not None or is_healthy(port), "a healthy server", 180)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 0, (tmp_path / "log").read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    said = (tmp_path / "log").read_text()
    assert said.startswith(f"{root}/script/server: installing requirements.txt into .venv\n")
    assert "Traceback" not in said


def clone(folder: Path) -> Path:
    """The files of the repository as they are, and nothing that was made of them."""
    git = [require("git"), "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(git, capture_output=True, text=True, check=False)
    if listed.returncode:
        absent("a git checkout")
    for name in filter(None, listed.stdout.split("\0")):
        target = folder / "clone" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, target)
    return folder / "clone"
