"""The compose files pass what real messages need, and no secret as a variable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from otp_app.channels.twilio.settings import TwilioSettings
from otp_app.settings import Settings
from otp_app.settings.model import Model, fields_of
from tests.configuration import VARIABLES
from tests.running import ROOT

#: file -> a service that sends
SENDERS = {"compose.yaml": ["otp"], "compose.scaled.yaml": ["otp-1", "otp-2", "otp-3"],
           "compose.accounts.yaml": ["otp-worker", "auth-worker"]}  # fmt: skip
CASES = [(file, service) for file, services in SENDERS.items() for service in services]
#: for another set-up than WhatsApp and SMS, or for tests
OTHERS = {
    "twilio_verification_service_sid", "twilio_verify_service_sid", "twilio_api_base_url", "twilio_timeout",
}  # fmt: skip
LIMITS = {"otp_countries", "otp_fallback_after", "otp_channels"}
SECRETS = {f.variable for model in (Settings, TwilioSettings) for f in fields_of(model) if f.setting.secret}


def load(file: str) -> dict[str, Any]:
    """A compose file."""
    whole: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / file).read_text(encoding="utf-8"))
    return whole


def of_groups(model: type[Model], *groups: str) -> Iterator[str]:
    """The settings under these headings."""
    group = ""
    for field in fields_of(model):
        group = field.setting.group or group
        if group in groups:
            yield field.name


def passed(file: str, service: str) -> dict[str, str | None]:
    """The variables of a service."""
    found: dict[str, str | None] = load(file)["services"][service]["environment"]
    return found


@pytest.mark.parametrize(("file", "service"), CASES)
def test_every_setting_of_whatsapp_is_passed(file: str, service: str) -> None:
    """The account, senders, template, countries, receipts and events: as a variable, a secret as a file."""
    needed = {*of_groups(TwilioSettings, "Twilio")} - OTHERS | LIMITS | {*of_groups(Settings, "Receipts", "Events")}
    given = {name.removesuffix("_FILE").lower() for name in passed(file, service)}
    if not service.endswith("worker"):
        needed.add("otp_check_by")  # workers check no code
    assert needed - given == set()


@pytest.mark.parametrize(("file", "service"), CASES)
def test_every_variable_is_a_setting_and_no_secret_stands_in_one(file: str, service: str) -> None:
    """`docker inspect` shows variables; a file is that of its own service alone."""
    given = passed(file, service)
    assert {name.removesuffix("_FILE") for name in given} <= set(VARIABLES)
    assert {name: given[name] for name in given.keys() & SECRETS} in ({}, {"OTP_STORE_URL": ""})
    files = {str(value) for name, value in given.items() if name.endswith("_FILE")}
    mounted = {f"/run/secrets/{name}" for name in load(file)["services"][service]["secrets"]}
    assert {value.partition(":+")[2].removesuffix("}") or value for value in files} == mounted


@pytest.mark.parametrize(("file", "service"), CASES)
def test_what_is_optional_is_passed_only_if_it_is_set(file: str, service: str) -> None:
    """A file that is not named is the empty device, and its setting is not set."""
    known = load("compose.scaled.yaml")["secrets"] | load(file).get("secrets", {})
    for variable, value in passed(file, service).items():
        if value and ":+" in value:
            secret = value.partition("/run/secrets/")[2].removesuffix("}")
            assert value == f"${{{variable}:+/run/secrets/{secret}}}"
            assert known[secret]["file"] == f"${{{variable}:-/dev/null}}"
