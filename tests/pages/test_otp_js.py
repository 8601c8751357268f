"""otp.js on a page of one's own: the example of docs/otp-js.md, typed in as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.conftest import require
from tests.pages.browser import look
from tests.pages.test_demo import CHANNELS, paste, send
from tests.phones import fresh_numbers
from tests.provider import Provider
from tests.running import ROOT, RunningServer, call, free_port, wait_until
from tests.web.site import api_key

pytestmark = pytest.mark.slow
DOCUMENT = (ROOT / "docs/otp-js.md").read_text(encoding="utf-8")
SCRIPT = ROOT / "otp_app/web/static/otp.js"
NUMBERS = fresh_numbers(5_557_000)


def blocks(kind: str) -> list[str]:
    """The blocks of a kind on the page."""
    return re.findall(rf"```{kind}\n(.*?)```", DOCUMENT, re.DOTALL)


def test_no_form_of_the_example_puts_a_number_into_a_url() -> None:
    """Not even where its script has not come yet."""
    forms = re.findall(r"<form [^>]*>", DOCUMENT)
    assert [form for form in forms if 'method="post"' not in form] == []
    assert len(forms) == 2



@pytest.fixture
def codes(server) -> RunningServer:
    """A server with an API key, WhatsApp and SMS."""
    running: RunningServer = server(start=False, OTP_API_KEYS=api_key("shop", "send+verify", "otp_right"), **CHANNELS)
    running.environment["OTP_PUBLIC_URL"] = running.url
    return running.start()


@pytest.fixture
def shop(codes: RunningServer, tmp_path: Path) -> Iterator[str]:
    """Where the back end of the example answers."""
    require("curl")
    folder, port = tmp_path / "shop", free_port()
    folder.mkdir()
    download, start = blocks("sh")
    subprocess.run(["sh", "-c", download.replace("127.0.0.1:5000", f"127.0.0.1:{codes.port}")], cwd=folder, check=True)
    (folder / "static/login.html").write_text(blocks("html")[0], encoding="utf-8")
    (folder / "app.py").write_text(blocks("python")[0], encoding="utf-8")
    _, line = start.splitlines()
    line = line.replace("otp_…", "otp_right").replace("8000", str(port))
    line = line.replace(".venv/bin/flask", f"exec {sys.executable} -m flask", 1)
    environment = {"PATH": os.environ["PATH"], "OTP_URL": codes.url}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["sh", "-c", line], cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: _answers(port) or process.poll() is not None, "the shop")
        assert process.poll() is None, (folder / "log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _answers(port: int) -> bool:
    try:
        return call(port, "GET", "/").status == 200
    except OSError:
        return False


@pytest.mark.parametrize("size", ["phone", "desktop"])
def test_the_example_confirms_a_number(shop: str, fake_twilio: Provider, open_page, size: str) -> None:
    """With the message that follows a lost one, a wrong code and a pasted message; the key stays in the back end."""
    number = next(NUMBERS)
    fake_twilio.script(f"whatsapp:{number}", "sent", "undelivered:63024")
    fake_twilio.script(number, "sent", "delivered")
    page = open_page(shop, size=size)
    page.goto(f"{shop}/account")
    expect(page.get_by_text("Log in first.")).to_be_visible()
    page.goto(shop)
    send(page, number)
    expect(page.get_by_role("listitem").nth(1)).to_have_text("SMS: delivered")
    expect(page.get_by_role("listitem").nth(0)).to_have_text("WhatsApp: not delivered")
    look(page, "")
    code = page.get_by_label("Code", exact=True)
    code.fill("000000" if fake_twilio.code(number) != "000000" else "000001")
    page.get_by_role("button", name="Check code").click()
    expect(page.get_by_role("status")).to_have_text("This code is wrong or no longer valid.")
    paste(page, f"Your OTP is: {fake_twilio.code(number)}")
    page.get_by_role("link", name="Continue to your account").click()
    expect(page.get_by_text("Your number is confirmed.")).to_be_visible()


def test_its_words_headers_and_events_are_ours(codes: RunningServer, open_page, shop: str) -> None:
    page = open_page(shop)
    page.evaluate("""async () => {
        const root = document.querySelector("[data-otp=root]");
        const copy = root.cloneNode(true);
        copy.dataset.words = JSON.stringify({ invalid_phone: "Keine Nummer." });
        copy.dataset.headers = JSON.stringify({ "X-CSRFToken": "abc" });
        copy.addEventListener("otp:sent", (event) => { document.title = event.detail.to; });
        root.replaceWith(copy);
        await import("/static/otp.js?again");
    }""")
    with page.expect_request("**/otp/send") as asked:
        send(page, "12")
    assert asked.value.headers["x-csrftoken"] == "abc"
    expect(page.get_by_role("status")).to_have_text("Keine Nummer.")
    number = next(NUMBERS)
    send(page, number)
    expect(page).to_have_title(f"+1*******{number[-3:]}")


def test_a_request_is_not_sent_twice(server, fake_twilio: Provider, open_page) -> None:
    """However often one presses the button."""
    page = open_page(f"{server().url}/demo")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method + request.url.rpartition("/")[2]))
    page.get_by_label("Phone number").fill(next(NUMBERS))
    page.evaluate("const form = document.querySelector('form'); form.requestSubmit(); form.requestSubmit()")
    expect(page.get_by_label("Code", exact=True)).to_be_focused()
    assert asked.count("POSTsend-otp") == len(fake_twilio.posts) == 1


def test_it_is_small_and_needs_nothing() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    assert len(text.encode()) < 6 * 1024
    assert "import" not in text


def test_the_page_names_all_its_parts_and_attributes() -> None:
    """The tables have what the script looks for, and nothing else."""
    text = SCRIPT.read_text(encoding="utf-8")
    (parts,) = re.findall(r'"([a-z ]+)"\.split', text)
    assert set(re.findall(r"^\| `(\w+)` \|", DOCUMENT, re.MULTILINE)) == {"root", *parts.split()}
    paths = set(re.findall(r'(\w+): "/', text)) | set(re.findall(r"JSON\.parse\(to\.(\w+)", text))
    rows = re.findall(r"^\| (`data-[^|]*)\|", DOCUMENT, re.MULTILINE)
    assert set(re.findall(r"`data-(\w+)`", "".join(rows))) - {"otp"} == paths
    assert set(re.findall(r"`otp:(\w+)`", DOCUMENT)) == set(re.findall(r'tell\("(\w+)"', text))
