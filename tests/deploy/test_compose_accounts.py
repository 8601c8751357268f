"""deploy/compose.accounts.yaml: what can be known of it without containers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from otp_app.startup import load
from tests.deploy.test_compose_scaled import GIVEN, OPTIONAL, SECRETS
from tests.running import ROOT

WHOLE = yaml.safe_load((ROOT / "deploy/compose.accounts.yaml").read_text())
BASE = yaml.safe_load((ROOT / "deploy/compose.scaled.yaml").read_text())
ADDED = {"amqp_url": "amqp://otp:p@rabbitmq:5672/%2F", "database_url": "postgresql://otp:p@postgres/otp"}
WORKERS = ["otp-worker", "auth-worker"]


def merged(name: str) -> dict[str, Any]:
    """The variables of a service, as compose merges both files."""
    before = BASE["services"].get(name, {}).get("environment", {})
    both = before | WHOLE["services"][name]["environment"]
    return {k: v for k, v in both.items() if v is not None and ":+" not in v}  # nothing optional is set


@pytest.mark.parametrize("name", ["otp-1", *WORKERS])
def test_each_of_them_starts_with_its_settings(name: str, tmp_path: Path) -> None:
    """Servers and workers on one store, with one broker and one database."""
    for secret, content in (SECRETS | ADDED).items():
        (tmp_path / secret).write_text(content)
    texts = {key: re.sub(r"\$\{(\w+):\?\}", lambda m: GIVEN[m[1]], value) for key, value in merged(name).items()}
    here = {key: value.replace("/run/secrets", str(tmp_path)) for key, value in texts.items()}
    (image,) = re.findall(r"^ENV (.*)$", (ROOT / "deploy/Dockerfile").read_text(), re.MULTILINE)
    settings = load(dict(item.split("=", 1) for item in image.split()) | here, tmp_path)
    assert (settings.otp_amqp_url, settings.database_url) == (ADDED["amqp_url"], ADDED["database_url"])
    assert settings.otp_store_url == SECRETS["store_url"]


@pytest.mark.parametrize("name", [*WORKERS, "rabbitmq"])
def test_each_of_them_is_hardened(name: str) -> None:
    """As the servers are."""
    service = WHOLE["services"][name]
    assert BASE["x-hardened"].items() <= service.items()
    assert {"mem_limit", "pids_limit", "user"} <= service.keys()


@pytest.mark.parametrize("name", ["otp-1", *WORKERS])
def test_every_secret_is_there(name: str) -> None:
    """What a variable names is given to the service, from a file of that name."""
    known = BASE["secrets"] | WHOLE["secrets"]
    given = [*BASE["services"].get(name, {}).get("secrets", []), *WHOLE["services"][name]["secrets"]]
    used = {v.removeprefix("/run/secrets/") for v in merged(name).values() if v.startswith("/run/secrets/")}
    assert used == set(given) - OPTIONAL
    assert {secret: known[secret]["file"] for secret in used} == {s: f"../var/secrets/{s}" for s in used}
