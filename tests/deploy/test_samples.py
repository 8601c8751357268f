"""The files of deploy/ agree with the settings, with each other, and with the tools that read them."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from otp_app.apis.grpc import server
from otp_app.apis.grpc.settings import GrpcSettings
from otp_app.channels.twilio.settings import TwilioSettings
from otp_app.settings import Settings
from otp_app.startup import BadSettings, load
from otp_app.startup.reader import READER
from tests.configuration import VARIABLES
from tests.conftest import require
from tests.deploy.conftest import Conf
from tests.running import ROOT

DEPLOY = ROOT / "deploy"
SAMPLES = sorted(file.name for file in DEPLOY.iterdir() if file.is_file())
COMPOSE = ("compose.yaml", "compose.scaled.yaml")
#: Those that an image can be made with.
EXTRAS = ["accounts", "amqp", "docs", "eddsa", "grpc", "otel", "redis", "postgres"]
LISTS_OF_PACKAGES = ["requirements.txt", *(f"requirements-{extra}.txt" for extra in EXTRAS)]


def text(name: str) -> str:
    """The content of a file in deploy/."""
    return (DEPLOY / name).read_text()


def figure(name: str, pattern: str) -> int:
    """The one number in a file that a pattern finds."""
    (found,) = re.findall(pattern, text(name), re.MULTILINE)
    return int(found)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_variable_is_a_setting(name: str) -> None:
    """A misspelt one would be ignored."""
    used = set(re.findall(r"\b(?:OTP|TWILIO)_[A-Z0-9_]+", text(name)))
    assert {variable.removesuffix("_FILE") for variable in used} - set(VARIABLES) == set()


def test_there_is_one_port() -> None:
    """The default; in every file that names one."""
    port = Settings().port
    assert figure("nginx.conf", r"server 127\.0\.0\.1:(\d+)") == port
    assert figure("otp-app.service", r"^SocketBindAllow=ipv4:tcp:(\d+)") == port
    assert figure("otp-grpc.service", r"^SocketBindAllow=ipv4:tcp:(\d+)") == GrpcSettings().otp_grpc_port
    assert figure("Dockerfile", r"\bPORT=(\d+)") == figure("Dockerfile", r"^EXPOSE (\d+)") == port
    assert re.findall(r'"127\.0\.0\.1:(\d+):(\d+)"', text("compose.yaml")) == [(str(port), str(port))]


def test_nginx_waits_longer_than_a_send_and_less_than_gunicorn(conf: Conf) -> None:
    """For an answer longer than the slowest provider; with an idle connection shorter than gunicorn keeps it."""
    slowest = READER.fields["twilio_timeout"].bounds.le
    assert figure("nginx.conf", r"proxy_read_timeout (\d+)s") > slowest
    assert figure("nginx.conf", r"^    keepalive_timeout (\d+)s; # shorter") < conf()["keepalive"]


def test_whoever_stops_it_waits_for_gunicorn(conf: Conf) -> None:
    """systemd and the container engine kill only after gunicorn's own time is over."""
    graceful = conf()["graceful_timeout"]
    assert figure("otp-app.service", r"^TimeoutStopSec=(\d+)") > graceful
    assert figure("otp-grpc.service", r"^TimeoutStopSec=(\d+)") > server.GRACE
    for compose in COMPOSE:
        assert figure(compose, r"stop_grace_period: (\d+)s") > graceful


def test_threads_fit_into_the_service() -> None:
    """Twice the default number is below the limit of tasks: a reload has an old worker beside the new one."""
    tasks = 2 * (Settings().otp_threads + 50)
    assert figure("otp-app.service", r"^TasksMax=(\d+)") == figure("otp-grpc.service", r"^TasksMax=(\d+)") > tasks
    assert figure("compose.yaml", r"pids_limit: (\d+)") > tasks
    assert figure("compose.scaled.yaml", r"pids_limit: (\d+) # more") > tasks


def environment(unit: str, tmp_path: Path) -> dict[str, str]:
    """What the service's file sets, its credentials in a folder here."""
    (tmp_path / "api_keys").write_text("shop:send+verify:" + "0" * 64)
    (tmp_path / "twilio_api_key_secret").write_text("not a real one")
    lines = re.findall(r"^Environment=(.*)$", text(unit), re.MULTILINE)
    here = " ".join(lines).replace("%d", str(tmp_path)).replace("/etc/otp-app", str(tmp_path))
    return dict(item.split("=", 1) for item in shlex.split(here))


@pytest.mark.parametrize(("unit", "command"), [("otp-app.service", ""), ("otp-grpc.service", "grpc")])
def test_the_service_starts_with_its_settings(unit: str, command: str, tmp_path: Path) -> None:
    """Together with the account that the operator writes into /etc/otp-app/env. Both have one store."""
    account = {"OTP_CHANNELS": "sms", "TWILIO_ACCOUNT_SID": "AC" + "0" * 32, "TWILIO_API_KEY_SID": "SK" + "0" * 32}
    given = environment(unit, tmp_path) | account | {"TWILIO_PHONE_NUMBER": "+15005550006"}
    settings = load(given, tmp_path, command)
    assert settings.otp_api_keys
    assert settings.of(TwilioSettings).twilio_api_key_secret
    (state,) = re.findall(r"^StateDirectory=(.*)$", text(unit), re.MULTILINE)
    assert settings.otp_store_url == f"sqlite:////var/lib/{state}/otp.db"
    (user,) = re.findall(r"^User=(.*)$", text(unit), re.MULTILINE) or [unit.removesuffix(".service")]
    assert (state, user) == ("otp-app", "otp-app")


def test_the_image_needs_keys(tmp_path: Path) -> None:
    """It listens for all, so without API keys it does not start."""
    (line,) = re.findall(r"^ENV (.*)$", text("Dockerfile"), re.MULTILINE)
    with pytest.raises(BadSettings, match=r"HOST: .* can be reached from elsewhere"):
        load(dict(item.split("=", 1) for item in line.split()), tmp_path)


def test_the_image_takes_what_exists() -> None:
    """Each file that is copied is in the repository, and in what the build sees."""
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", text("Dockerfile"), re.MULTILINE)
    copied = {name for line in lines for name in line.split()} - {"requirements*.txt"} | set(LISTS_OF_PACKAGES)
    assert {"otp_app", "pyproject.toml", "requirements-build.txt"} < copied
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert {f"!{name}" for name in copied} == set(re.findall("^!.*$", text("Dockerfile.dockerignore"), re.MULTILINE))


def test_the_image_has_a_list_of_packages() -> None:
    """One of those that the repository has, unless asked otherwise that of the server alone."""
    assert re.findall(r"^ARG REQUIREMENTS=(.*)$", text("Dockerfile"), re.MULTILINE) == ["requirements.txt"]
    named = re.findall(r"requirements-\w+\.txt", text("compose.scaled.yaml") + text("compose.accounts.yaml"))
    unnamed = {"requirements.txt", *(f"requirements-{extra}.txt" for extra in ("docs", "eddsa", "grpc", "otel"))}
    assert set(named) == set(LISTS_OF_PACKAGES) - unnamed


UNITS = ["otp-app.service", "otp-grpc.service", "otp-worker@.service"]


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_rates_the_service_as_shut(unit: str) -> None:
    """An exposure of 1.5 or less, of 10."""
    rated = subprocess.run([require("systemd-analyze"), "security", "--offline=true", "--threshold=15", "--no-pager",
                            DEPLOY / unit], capture_output=True, text=True, check=False)  # fmt: skip
    assert rated.returncode == 0, rated.stdout + rated.stderr


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_understands_every_line(unit: str, tmp_path: Path) -> None:
    """With programs that exist here it has nothing to say."""
    here = re.sub(r"^Exec(\w+)=\S+", r"Exec\1=/bin/sh", text(unit), flags=re.MULTILINE)
    (tmp_path / unit).write_text(here)
    verified = subprocess.run([require("systemd-analyze"), "verify", "--man=no", tmp_path / unit],
                              capture_output=True, text=True, check=False)  # fmt: skip
    assert (verified.returncode, verified.stderr) == (0, "")
