"""docs/accounts.md, demo.md, grpc.md and rabbitmq.md: a reader in a fresh checkout types every line of them."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.accounts.test_importer import TABLES
from tests.conftest import require
from tests.recipes.page import Reader, printed
from tests.running import ROOT, call, free_port, wait_until
from tests.web.site import api_key

pytestmark = pytest.mark.slow
AT_ONCE = {"OTP_RESEND_GAPS": ""}  # a reader takes longer than a test


def test_the_page_of_accounts(tmp_path):
    """From the installation to the take-over of another server's users."""
    require("curl")
    require("sqlite3")
    with Reader(tmp_path, **AT_ONCE) as reader:
        with closing(sqlite3.connect(reader.copy / "old.db")) as old:
            old.executescript(TABLES.format(serial="INTEGER PRIMARY KEY"))
        (reader.copy / "old-url.txt").write_text("sqlite:///old.db\n", encoding="ascii")
        reader.follow(printed("accounts.md"))
        assert len(reader.codes()) == 3


def test_the_page_of_grpc(tmp_path):
    """Its calls, and a client whose code is made of a copy of the .proto file."""
    with Reader(tmp_path, **AT_ONCE) as reader:
        shutil.copy(ROOT / "otp_app/apis/grpc/phoneotp.proto", reader.copy)
        reader.environment["API_KEY"] = "none is configured"
        reader.follow(printed("grpc.md"))
        assert len(reader.codes()) == 2


def test_a_call_with_a_key(tmp_path):
    """The option that the page adds to its calls opens them, and reflection."""
    (option,) = re.findall(r"`(-H [^`]*)`", (ROOT / "docs/grpc.md").read_text(encoding="utf-8"))
    serve, send, _ = (line for line in printed("grpc.md") if re.search("otp_app grpc|grpcurl", line.text))
    keys = {"OTP_API_KEYS": api_key("shop", "send", "right"), "API_KEY": "right"}
    with Reader(tmp_path, OTP_CHANNELS="tests.web.site:RecordingChannel", **keys) as reader:
        reader.follow([serve, send._replace(text=send.text.replace("-d", f"{option} -d"))])
        with pytest.raises(AssertionError, match="UNAUTHENTICATED"):
            reader.type(send)


def test_the_page_of_rabbitmq(rabbit, tmp_path):
    """The broker's address is the reader's; the code comes from a worker."""
    require("curl")
    with Reader(tmp_path) as reader:
        theirs = "amqp://otp:PASSWORD@127.0.0.1:5672/%2F"
        lines = [line._replace(text=line.text.replace(theirs, rabbit.url())) for line in printed("rabbitmq.md")]
        assert lines != printed("rabbitmq.md")
        reader.follow(lines)
        wait_until(reader.codes, "a code in the worker's terminal")
        (screen, *_), _ = zip(*reader.terminals, strict=True)
        assert "console: to +14155552671" in Path(screen).read_text(encoding="utf-8")


def test_the_page_of_the_demo_without_an_account(tmp_path):
    """WhatsApp does not deliver, an SMS follows, and the stand-in has the code."""
    require("curl")
    port = str(free_port())
    lines = [line._replace(text=line.text.replace("4010", port)) for line in printed("demo.md")]
    first, last = (n for n, line in enumerate(lines) if re.search("fake_twilio|_fake", line.text))
    *before, ask = lines[first : last + 1]
    with Reader(tmp_path) as reader:
        reader.follow(before)
        server = int(reader.environment["PORT"])
        sent = call(server, "POST", "/send-otp", {"phone_number": "+919876543210"}).json

        def sends() -> list[tuple[str, str, int | None]]:
            shown = call(server, "GET", f"/verifications/{sent['verification_id']}").json["sends"]
            return [(send["channel"], send["delivery"], send["error_code"]) for send in shown]

        wait_until(lambda: sends() == [("whatsapp", "undelivered", 63024), ("sms", "delivered", None)], "an SMS", 20)
        code = json.loads(reader.type(ask))["code"]
        assert call(server, "POST", "/verify-otp", {"phone_number": "+919876543210", "otp": code}).status == 200


@pytest.mark.parametrize("name", ["grpc.md", "rabbitmq.md"])
def test_its_services_are_in_deploy(name):
    """What systemctl is asked to start can be copied from there."""
    (line,) = re.findall(r"`systemctl enable --now ([^`]*)`", (ROOT / "docs" / name).read_text(encoding="utf-8"))
    files = [f"{unit.partition('@')[0]}@.service" if "@" in unit else f"{unit}.service" for unit in line.split()]
    assert [file for file in files if not (ROOT / "deploy" / file).exists()] == []
