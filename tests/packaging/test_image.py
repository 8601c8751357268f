"""deploy/Dockerfile: rules that hold without an engine, and a container that serves where there is one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from otp_app.settings import Settings
from otp_app.settings.model import fields_of
from otp_app.startup.reader import PROVIDERS
from otp_app.version import __version__
from tests.running import ROOT, call, free_port, is_healthy, wait_until

FILE = ROOT / "deploy/Dockerfile"
BASE = "python:3.13-slim"
SECRETS = {f.variable for model in (Settings, *PROVIDERS) for f in fields_of(model) if f.setting.secret}


def instructions() -> list[tuple[str, str]]:
    """Each instruction and its arguments, with continued lines joined."""
    text = re.sub(r"\\\n", "", FILE.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def of(name: str) -> list[str]:
    """The arguments of an instruction, in all stages."""
    return [rest for found, rest in instructions() if found == name]


def test_every_stage_begins_with_the_same_version_of_python() -> None:
    """A tag with a minor version: `latest` would be another Python one day."""
    assert {image.partition(" AS ")[0] for image in of("FROM")} == {BASE}


def test_it_does_not_run_as_root() -> None:
    """By number, as Kubernetes' runAsNonRoot needs it, and for the command too."""
    names = [name for name, _ in instructions()]
    assert of("USER") == ["10001:10001"]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert {"RUN", "COPY"}.isdisjoint(names[names.index("USER") :])


def test_no_shell_stands_between_a_signal_and_the_server() -> None:
    """In the exec form the server is the first process, which gets SIGTERM."""
    assert (json.loads(of("ENTRYPOINT")[0]), json.loads(of("CMD")[0])) == (["/venv/bin/otp-app"], ["serve"])


def test_its_health_is_looked_at_without_a_shell() -> None:
    """Nor with a program that the image has for this alone."""
    (check,) = of("HEALTHCHECK")
    program, _, script = json.loads(check.partition(" CMD ")[2])
    assert program == "/venv/bin/python"
    compile(script, "HEALTHCHECK", "exec")


def test_no_secret_is_in_a_layer() -> None:
    """No variable of a secret, and of the tree what is named only: never `.`, which may have a .env."""
    variables = set(re.findall(r"\b([A-Z][A-Z0-9_]+)=?", " ".join(of("ENV") + of("ARG"))))
    assert variables & SECRETS == {"OTP_STORE_URL"}  # a path
    assert of("ADD") == []
    assert [rest for rest in of("COPY") if rest.split()[0] in (".", "./", "*")] == []


def test_what_is_installed_was_locked() -> None:
    """Packages by their hashes, and the wheel of this tree without an index."""
    installing = [line for line in of("RUN") if "pip" in line and "install" in line]
    assert len(installing) == 3
    assert [line for line in installing if "--require-hashes" not in line and "--no-index" not in line] == []
    assert any(line.endswith("/dist/*.whl") for line in installing)


@pytest.mark.parametrize(("given", "lists"), [
    ({}, ["requirements.txt", "requirements-docs.txt"]),
    ({"DOCS": ""}, ["requirements.txt"]),
    ({"REQUIREMENTS": "requirements-redis.txt requirements-otel.txt"},
     ["requirements-redis.txt", "requirements-otel.txt", "requirements-docs.txt"]),
])  # fmt: skip
def test_the_interactive_docs_are_in_it_unless_asked_otherwise(given: dict[str, str], lists: list[str]) -> None:
    """What the shell of the build makes of its arguments: the lists that pip gets."""
    defaults = dict(rest.split("=", 1) for rest in of("ARG"))
    (line,) = [line for line in of("RUN") if "REQUIREMENTS" in line]
    shown = subprocess.run(["sh", "-c", line.replace("/venv/bin/pip", "echo")], env=defaults | given, text=True,
                           capture_output=True, check=True).stdout.split()  # fmt: skip
    assert [shown[at + 1] for at, word in enumerate(shown) if word == "-r"] == lists
    assert [name for name in lists if not (ROOT / name).exists()] == []


def test_hadolint_has_nothing_to_say() -> None:
    """Where it is installed."""
    if (hadolint := shutil.which("hadolint")) is None:
        pytest.skip("without hadolint")
    ended = subprocess.run([hadolint, FILE], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "")


# ---- where there is an engine


def run(*command: str | Path, seconds: int = 600) -> subprocess.CompletedProcess[str]:
    """Run the engine to its end."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)


@pytest.fixture(scope="module")
def engine() -> str:
    """The first that can run what the image is made of. Where none can, even with CI=true, the rules above hold."""
    for name in ("docker", "podman"):
        if shutil.which(name) and run(name, "run", "--rm", "--network", "host", BASE, "true").returncode == 0:
            return name
    pytest.skip("no engine that can run containers")


@pytest.fixture(scope="module")
def image(engine: str) -> Iterator[str]:
    """The image of this tree."""
    built = run(engine, "build", "-f", "deploy/Dockerfile", "-t", "otp-app:test", ".")
    assert built.returncode == 0, built.stderr
    yield "otp-app:test"
    run(engine, "rmi", "-f", "otp-app:test")


@pytest.mark.slow
def test_the_image_has_the_commands(engine: str, image: str) -> None:
    """Instead of the server."""
    assert run(engine, "run", "--rm", image, "--version").stdout == f"otp-app {__version__}\n"
    refused = run(engine, "run", "--rm", image)
    assert (refused.returncode, refused.stderr.partition(":")[0]) == (78, "HOST")


#: with secrets in files
PRODUCTION = {
    "OTP_CHANNELS": "sms", "OTP_API_KEYS_FILE": "/run/secrets/api_keys", "TWILIO_ACCOUNT_SID": f"AC{'1' * 32}",
    "TWILIO_AUTH_TOKEN_FILE": "/run/secrets/twilio_auth_token", "TWILIO_PHONE_NUMBER": "+15005550006",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("given", [{}, PRODUCTION], ids=["console", "production"])
def test_a_container_serves(engine: str, image: str, tmp_path: Path, given: dict[str, str]) -> None:
    """On this machine's loopback: with codes on its screen, or for callers with a key."""
    port, secrets = free_port(), tmp_path / "secrets"
    secrets.mkdir(mode=0o755)
    (secrets / "api_keys").write_text(f"shop:send:{'0' * 63}1", encoding="ascii")
    (secrets / "twilio_auth_token").write_text("not a real one", encoding="ascii")
    variables = {"HOST": "127.0.0.1", "PORT": str(port)} | given
    options = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]
    options += ["-v", f"{secrets}:/run/secrets:ro"] if given else []
    name = f"otp-app-test-{port}"
    started = run(engine, "run", "-d", "--name", name, "--network", "host", *options, image)
    try:
        assert started.returncode == 0, started.stderr
        wait_until(lambda: is_healthy(port), "a healthy container")
        status = call(port, "POST", "/send-otp", {"phone_number": "+14155552671"}).status
        assert status == (401 if given else 200)
        said = run(engine, "logs", name)
        assert ("Your OTP is: " in said.stdout + said.stderr) == (not given)
    finally:
        run(engine, "rm", "-f", name)
