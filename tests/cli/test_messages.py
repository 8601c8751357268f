"""`send`, `verify` and `notify`: a running server is asked over HTTP."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from otp_app.cli import client
from otp_app.cli.client import NO_API
from otp_app.startup.reader import READER
from tests.cli.served import listening
from tests.command import run
from tests.running import free_port
from tests.web.site import Site

KEY = "otp_12345678_" + "k" * 43
CALLER = "shop:send+verify:" + hashlib.sha256(KEY.encode()).hexdigest()
PHONE = "+14155552671"


@pytest.fixture
def serve(open_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Site]]:
    """Call it with settings to have a server."""
    with ExitStack() as stack:

        def start(**given: Any) -> Site:
            site = open_site(**given)
            stack.enter_context(listening(site.app, monkeypatch))
            return site

        yield start


def test_a_code_is_sent_and_checked(capsys: Any, serve: Callable[..., Site], folder: Path) -> None:
    """By number or by id; nothing is made in the folder, and the server that was asked is told."""
    site = serve()
    status, printed, error = run(capsys, "send", PHONE, "--purpose", "pay", "--tag", "order=A=1")
    assert (status, error) == (0, f"Server: http://127.0.0.1:{os.environ['PORT']}\n")
    assert printed.startswith("OTP sent successfully! To +1*******671 by ")
    verification_id = printed.split()[-1]
    assert site.call("GET", f"/verifications/{verification_id}").json["tags"] == {"order": "A=1"}
    code = site.channel.messages[-1].code
    assert run(capsys, "verify", PHONE, code, "--purpose", "pay").output == "OTP verification successful!\n"
    wrong = run(capsys, "verify", verification_id, code)
    assert (wrong.status, wrong.output, wrong.error.splitlines()[1:]) == (1, "", ["OTP verification failed!"])
    assert list(folder.iterdir()) == []


def test_a_verification_is_canceled(capsys: Any, serve: Callable[..., Site]) -> None:
    """By the server, which tells its listeners of it; once."""
    site = serve()
    verification_id = run(capsys, "send", PHONE).output.split()[-1]
    assert run(capsys, "verifications", "cancel", verification_id).output == f"{verification_id}: canceled\n"
    assert run(capsys, "verify", PHONE, site.channel.messages[-1].code).status == 1
    status, printed, error = run(capsys, "verifications", "cancel", verification_id, "--json")
    assert (status, printed, error.count("\n")) == (1, "", 2)
    assert run(capsys, "verifications", "cancel", "VE" + "9" * 32).error.splitlines()[1] != NO_API
    assert run(capsys, "verifications", "cancel", "VE/../x") == (2, "", "An id is VE and 32 hex digits\n")


def test_programs_get_what_the_server_answered(capsys: Any, serve: Callable[..., Site]) -> None:
    site = serve()
    sent = json.loads(run(capsys, "send", PHONE, "--json").output)
    assert (sent["status"], sent["to"]) == ("pending", "+1*******671")
    checked = json.loads(run(capsys, "verify", PHONE, site.channel.messages[-1].code, "--json").output)
    assert checked["verification_id"] == sent["verification_id"]


def test_what_the_server_refuses_is_a_line(capsys: Any, serve: Callable[..., Site]) -> None:
    """With the seconds to wait, where there are any."""
    serve()
    assert run(capsys, "send", PHONE).status == 0
    status, printed, error = run(capsys, "send", PHONE)
    assert (status, printed) == (1, "")
    assert error.splitlines()[1].endswith("Try again in 30 s")
    assert "E.164" in run(capsys, "send", "hello").error.splitlines()[1]


def test_the_key_comes_from_the_environment_or_a_file(
    capsys: Any, serve: Callable[..., Site], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """Not from the command line, which every user of the machine can read."""
    serve(otp_api_keys=CALLER)
    assert run(capsys, "send", PHONE).status == 1
    (folder / "key").write_text(f"{KEY}\n")
    assert run(capsys, "send", PHONE, "--key-file", "key").status == 0
    monkeypatch.setenv("OTP_CLI_KEY", KEY)
    assert run(capsys, "send", "+14155552672").status == 0


def test_its_variable_is_known() -> None:
    """A server beside it does not warn of a misspelled setting."""
    assert READER.unknown_names({"OTP_CLI_KEY": KEY}) == []


def test_a_notification_is_queued(capsys: Any, serve: Callable[..., Site], folder: Path) -> None:
    (folder / "templates.toml").write_text('[shipped]\nsms = "Your order {number} is on its way."\n')
    serve(otp_templates_file="templates.toml", otp_channels="tests.web.site:RecordingChannel")
    ended = run(capsys, "notify", PHONE, "shipped", "--var", "number=A-1", "--json")
    assert (ended.status, json.loads(ended.output or "{}").get("status")) == (0, "queued"), ended


def test_an_api_that_is_not_served_is_named(capsys: Any, serve: Callable[..., Site]) -> None:
    serve()
    assert run(capsys, "notify", PHONE, "shipped").error.splitlines()[1:] == [NO_API]


def test_without_a_server_nothing_happened(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", str(free_port()))
    status, _, error = run(capsys, "send", PHONE)
    assert (status, error.splitlines()[1].partition(" (")[2]) == (1, f"Connection refused): {client.START}")


def test_an_answer_that_breaks_off_is_not_clear(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message may have been sent; it is not sent again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("PORT", str(listener.getsockname()[1]))
        asked: list[bytes] = []

        def hang_up() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(4096))

        thread = threading.Thread(target=hang_up)
        thread.start()
        status, _, error = run(capsys, "send", PHONE)
        thread.join()
    assert (status, len(asked)) == (1, 1)
    assert error.splitlines()[1] == "The server gave no clear answer: what was asked may have been done"


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b""])
def test_another_program_is_not_taken_for_the_server(
    capsys: Any, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", str(len(answer)))])
        return [answer]

    with listening(app, monkeypatch):
        status, printed, error = run(capsys, "send", PHONE)
    assert (status, printed, error.splitlines()[1][:32]) == (1, "", "HTTP 200 without a JSON object c")


@pytest.mark.parametrize("command", [
    ("send", PHONE), ("verify", PHONE, "123456"), ("notify", PHONE, "shipped"),
    ("verifications", "cancel", f"VE{'0' * 32}"),
], ids=lambda command: command[0])  # fmt: skip
def test_nothing_is_reported_as_done_where_another_program_answers(
    capsys: Any, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """With JSON of its own, as what listens at a mistyped port may do: `verify` would take it for a right code."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b'{"message": "Welcome", "success": true, "status": "up"}']

    with listening(app, monkeypatch):
        status, printed, error = run(capsys, *command)
    assert (status, printed, error.splitlines()[1][:42]) == (1, "", "HTTP 200 without what this command needs c")


@pytest.mark.parametrize(("url", "line"), [
    ("ftp://x", "write http://host:port"), ("x", "write http://host:port"), ("http://u:p@x", "without a user"),
    ("http://x:99999", "write http://host:port"), ("http://10.0.0.1", "use https"), ("http://otp.example", "use https"),
])  # fmt: skip
def test_a_url_that_cannot_be_used_is_a_line(
    capsys: Any, monkeypatch: pytest.MonkeyPatch, url: str, line: str
) -> None:
    """A key never crosses the network in plain text."""
    monkeypatch.setenv("OTP_CLI_KEY", KEY)
    status, printed, error = run(capsys, "send", PHONE, "--url", url)
    assert (status, printed, line in error, error.count("\n")) == (2, "", True, 1)


@pytest.mark.parametrize(("host", "url"), [
    ("0.0.0.0", "http://127.0.0.1:5000"), ("::", "http://[::1]:5000"), ("127.0.0.2", "http://127.0.0.2:5000"),
])  # fmt: skip
def test_a_server_on_all_addresses_is_asked_on_this_machine(
    capsys: Any, monkeypatch: pytest.MonkeyPatch, host: str, url: str
) -> None:
    monkeypatch.setenv("HOST", host)
    assert client.server_of("", None).url == url


@pytest.mark.parametrize("content", ["", "two words", "\xe9"])
def test_what_is_no_key_is_a_line(capsys: Any, folder: Path, content: str) -> None:
    (folder / "key").write_text(content)
    status, _, error = run(capsys, "send", PHONE, "--key-file", "key")
    assert (status, error.startswith("--key-file: "), error.count("\n")) == (2, True, 1)


def test_a_value_without_a_name_is_refused(capsys: Any) -> None:
    assert run(capsys, "send", PHONE, "--tag", "order").error.endswith("write NAME=VALUE\n")
