"""deploy/compose.scaled.yaml: nothing here runs containers, so what can be known of it without."""

from __future__ import annotations

import re
import shlex
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from otp_app.settings import Settings
from otp_app.startup import load
from otp_app.stores.redis.store import RedisStore
from tests.conftest import require
from tests.running import INDEX_KEY, KEY, ROOT
from tests.services import Redis

TEXT = (ROOT / "deploy/compose.scaled.yaml").read_text()
SECRETS = {
    "api_keys": f"shop:send+verify:{'0' * 64}", "secret_keys": f"k1:{KEY}", "index_key": INDEX_KEY,
    "store_url": "redis://redis:6379/0", "twilio_api_key_secret": "not a real one",
}  # fmt: skip
OPTIONAL = {"events_secrets", "events_url", "twilio_auth_token", "twilio_webhook_keys"}
GIVEN = {
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32, "TWILIO_API_KEY_SID": "SK" + "0" * 32,
    "TWILIO_PHONE_NUMBER": "+15005550006", "TWILIO_WHATSAPP_NUMBER": "+15005550006",
}  # fmt: skip


def block(name: str) -> str:
    """The lines of a top-level block or of a service."""
    (found,) = re.findall(rf"^( {{0,2}}){name}:.*\n(\1 +.*\n(?:\1 +.*\n|\n)*)", TEXT, re.MULTILINE)
    return str(found[1])


def addresses() -> list[str]:
    """Those of the three servers."""
    return [re.findall(r"ipv4_address: (\S+)", block(f"otp-{number}"))[0] for number in (1, 2, 3)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """What a server starts with, its secrets in a folder here."""
    for name, content in SECRETS.items():
        (tmp_path / name).write_text(content)
    lines = re.findall(r"^    ((?:OTP|TWILIO)_\w+): (.+)$", block("x-otp"), re.MULTILINE)
    values = {name: GIVEN[name] if value == f"${{{name}:?}}" else value.strip('"') for name, value in lines}
    values = {name: value for name, value in values.items() if ":+" not in value}  # nothing of it is set
    (image,) = re.findall(r"^ENV (.*)$", (ROOT / "deploy/Dockerfile").read_text(), re.MULTILINE)
    here = {name: value.replace("/run/secrets", str(tmp_path)) for name, value in values.items()}
    return load(dict(item.split("=", 1) for item in image.split()) | here, tmp_path)


def test_a_server_starts_with_its_settings(settings: Settings) -> None:
    """On the shared store and keys, which take the place of the image's own file."""
    assert (settings.otp_store_url, settings.otp_secret_keys) == (SECRETS["store_url"], SECRETS["secret_keys"])


def test_servers_believe_nginx(settings: Settings) -> None:
    """By its address."""
    (nginx,) = re.findall(r"ipv4_address: (\S+)", block("nginx"))
    assert [str(network) for network in settings.otp_trusted_proxies] == [f"{nginx}/32"]


def test_every_secret_is_used_and_defined() -> None:
    """Each by somebody, from a file of its own name."""
    used = set(re.findall(r"/run/secrets/(\w+)", TEXT))
    assert used == SECRETS.keys() | {"postgres_password"} | OPTIONAL
    assert re.findall(r"^  (\w+):\n    file: \.\./var/secrets/(\w+)$", TEXT, re.MULTILINE) == [
        (name, name) for name in sorted(used - OPTIONAL)
    ]
    assert set(re.findall(r"^ +- (\w+)$", block("x-otp"), re.MULTILINE)) == SECRETS.keys() | OPTIONAL


@pytest.mark.parametrize("service", ["otp-1", "otp-2", "otp-3", "nginx", "redis", "postgres"])
def test_every_service_is_hardened(service: str) -> None:
    """As the one of compose.yaml."""
    body = block(service)
    if "<<: *otp" in body:
        body = block("x-otp")
    assert "<<: *hardened" in body
    assert re.search(r"mem_limit: .*\n +pids_limit: ", body)
    one = (ROOT / "deploy/compose.yaml").read_text()
    for line in filter(None, block("x-hardened").splitlines()):
        assert f"\n  {line}\n" in one


def test_the_commands_in_its_head_make_what_nginx_reads(tmp_path: Path) -> None:
    """A site that includes the list of servers, at their addresses, and logs to the container's output."""
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    (commands,) = re.findall(r"^#   (mkdir .*\n(?:#   .*\n)+?)#   docker", TEXT, re.MULTILINE)
    subprocess.run(["sh", "-euc", commands.replace("#   ", "")], cwd=tmp_path, check=True)
    upstream = (tmp_path / "var/nginx/upstream.conf").read_text()
    assert re.findall(r"^server (\S+):5000 ", upstream, re.MULTILINE) == addresses()
    site = (tmp_path / "var/nginx/site.conf").read_text()
    assert "    include /etc/nginx/otp/upstream.conf;" in site
    assert not re.search(r"^ *server 127", site, re.MULTILINE)
    assert "access_log /dev/stdout otp;" in site


def test_each_address_is_restarted_by_its_name() -> None:
    """The command for rolling-restart in the file's head finds the service."""
    (name,) = re.findall(r'"(otp-\$\{host.*?\})"', TEXT)
    for number, host in enumerate(addresses(), 1):
        said = subprocess.run(["sh", "-c", f'echo "{name}"'], env={"host": host}, capture_output=True, text=True)
        assert said.stdout == f"otp-{number}\n"


def test_redis_is_set_up_as_the_server_wants_it(tmp_path: Path) -> None:
    """It keeps what it has over a restart, drops nothing, and has a bound."""
    (command,) = re.findall(r"^    command: redis-server (.*)$", TEXT, re.MULTILINE)
    words = shlex.split(command)
    options = {name.removeprefix("--"): value for name, value in zip(words[::2], words[1::2], strict=True)}
    redis = Redis(tmp_path, require("redis-server"), **options)
    redis.start()
    try:
        with closing(RedisStore(redis.new_url())) as store:
            assert (store.faults(), store.advice()) == ([], [])
        with redis.client() as client:
            assert int(client.config_get("maxmemory")["maxmemory"]) == 256 * 1024 * 1024
    finally:
        redis.stop()
