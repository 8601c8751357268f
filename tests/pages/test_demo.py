"""/demo in a browser: a code is sent, followed and typed in, by people with all kinds of browsers."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.pages.browser import COLOURS, LOOKS, look
from tests.phones import fresh_numbers
from tests.provider import Provider
from tests.running import RunningServer
from tests.web.site import api_key, wrong

pytestmark = pytest.mark.slow
NUMBERS = fresh_numbers()
CHANNELS = {"OTP_CHANNELS": "whatsapp,sms", "TWILIO_WHATSAPP_NUMBER": "+14155238886"}
CODE, SEND, CHECK = "Code", "Send code", "Check code"


@pytest.fixture
def whatsapp(server: Callable[..., RunningServer]) -> RunningServer:
    """A server with WhatsApp and SMS behind it, which is told what becomes of messages."""
    running = server(start=False, **CHANNELS)
    running.environment["OTP_PUBLIC_URL"] = running.url
    return running.start()


def send(page: Page, number: str) -> None:
    """Ask for a code as people do."""
    page.get_by_label("Phone number").fill(number)
    page.get_by_role("button", name=SEND).click()


def paste(page: Page, text: str) -> None:
    """Paste a text into the field that has the focus."""
    page.evaluate(
        """text => {
            const clipboardData = new DataTransfer();
            clipboardData.setData("text", text);
            const pasted = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
            document.activeElement.dispatchEvent(pasted);
        }""",
        text,
    )


@pytest.mark.parametrize(("size", "dark"), LOOKS)
def test_a_message_that_is_dropped_becomes_an_sms(
    whatsapp: RunningServer, fake_twilio: Provider, open_page, size: str, dark: bool
) -> None:
    """Before the reader's eyes, who then pastes the whole message."""
    number = next(NUMBERS)
    fake_twilio.script(f"whatsapp:{number}", "sent", "undelivered:63024")
    fake_twilio.script(number, "sent", "delivered")
    page = open_page(f"{whatsapp.url}/demo", size=size, dark=dark)
    look(page, "demo-number")
    send(page, number)
    steps = page.get_by_role("listitem")
    expect(steps.nth(0)).to_contain_text("WhatsApp: not delivered")
    expect(steps.nth(1)).to_contain_text("SMS: delivered")
    expect(page.get_by_text("send the code by SMS")).to_have_count(0)  # it was
    expect(page.get_by_role("status")).to_have_text("WhatsApp did not deliver the code, so we sent it by SMS.")
    again = page.get_by_role("button", name=re.compile("Send again"))
    expect(again).to_have_text(re.compile("Send again in (6|5|4)[0-9] s"))  # the wait after a second message
    expect(page.get_by_label(CODE, exact=True)).to_be_focused()
    look(page, "demo-code", whole=True)
    page.get_by_label(CODE, exact=True).fill(wrong(fake_twilio.code(number)))
    page.get_by_role("button", name=CHECK).click()
    expect(page.get_by_role("status")).to_have_text("This code is wrong or no longer valid.")
    look(page, "demo-wrong", whole=True)
    paste(page, f"Your OTP is: {fake_twilio.code(number)}. It is valid for 5 minutes.")
    expect(page.get_by_role("status")).to_have_text("Your number is confirmed.")
    look(page, "demo-done", whole=True)


def test_a_browser_with_webotp_fills_the_code_in(server, fake_twilio: Provider, open_page) -> None:
    """As soon as the message is there."""
    page: Page = open_page(f"{server().url}/demo")
    number = next(NUMBERS)
    page.expose_function("arrived", lambda: fake_twilio.code(number))
    page.evaluate("""() => {
        self.OTPCredential = class {};
        navigator.credentials.get = async ({ otp, signal }) =>
            otp.transport[0] === "sms" && signal && { code: await arrived() };
    }""")
    send(page, number)
    expect(page.get_by_role("status")).to_have_text("Your number is confirmed.")


PASTED = ["{code}", " {spaced} ", "{dashed}", "Your code is {code}, for 5 minutes.", "12 is it: {code}\n\n@x #{code}"]


@pytest.mark.parametrize("text", PASTED)
def test_what_is_pasted_may_be_more_than_the_code(server, fake_twilio: Provider, open_page, text: str) -> None:
    page = open_page(f"{server().url}/demo")
    number = next(NUMBERS)
    send(page, number)
    expect(page.get_by_label(CODE, exact=True)).to_be_focused()
    code = fake_twilio.code(number)
    paste(page, text.format(code=code, spaced=f"{code[:3]} {code[3:]}", dashed=f"{code[:3]}-{code[3:]}"))
    expect(page.get_by_role("status")).to_have_text("Your number is confirmed.")


@pytest.mark.parametrize("dark", COLOURS)
def test_without_scripts_its_forms_do_the_same(
    whatsapp: RunningServer, fake_twilio: Provider, open_page, dark: bool
) -> None:
    """Each answer is the next step; what becomes of the message is there when one looks again."""
    number = next(NUMBERS)
    fake_twilio.script(f"whatsapp:{number}", "sent", "undelivered:63024")
    fake_twilio.script(number, "sent", "delivered")
    page = open_page(f"{whatsapp.url}/demo", size="phone", dark=dark, java_script_enabled=False)
    send(page, number)
    fake_twilio.drain()
    expect(page.get_by_text("You can send it again in 30 s.")).to_be_visible()
    page.get_by_role("button", name="Look again").click()
    expect(page.get_by_role("status")).to_have_text("WhatsApp did not deliver the code, so we sent it by SMS.")
    expect(page.get_by_role("listitem").nth(1)).to_contain_text("SMS: delivered")
    expect(page.get_by_text("send the code by SMS")).to_have_count(0)
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_role("status")).to_contain_text("We sent a code a moment ago. Try again in ")
    page.get_by_label(CODE, exact=True).fill("12")
    page.get_by_role("button", name=CHECK).click()
    expect(page.get_by_role("status")).to_have_text("This code is wrong or no longer valid.")
    page.get_by_label(CODE, exact=True).fill(fake_twilio.code(number))
    page.get_by_role("button", name=CHECK).click()
    expect(page.get_by_role("status")).to_have_text("Your number is confirmed.")


@pytest.mark.parametrize("dark", COLOURS)
def test_its_steps_without_scripts_are_for_everybody_too(
    whatsapp: RunningServer, fake_twilio: Provider, open_page, dark: bool
) -> None:
    """Axe is a script, so scripts run here and the form is sent past them."""
    number = next(NUMBERS)
    fake_twilio.script(f"whatsapp:{number}", "sent", "delivered")
    page = open_page(f"{whatsapp.url}/demo", size="phone", dark=dark)
    page.get_by_label("Phone number").fill(number)
    page.evaluate("document.querySelector('form').submit()")
    page.get_by_role("button", name="Look again").click()
    expect(page.get_by_role("listitem")).to_contain_text("WhatsApp")
    look(page, "demo-without-scripts", whole=True)


def test_the_next_message_waits_as_long_as_the_server_says(server, open_page) -> None:
    """By the page's clock; where the server still says no, its seconds count."""
    page: Page = open_page(f"{server(OTP_RESEND_GAPS='40').url}/demo")
    page.clock.install()
    page.reload()
    send(page, next(NUMBERS))
    again = page.get_by_role("button", name=re.compile("Send again"))
    expect(again).to_be_disabled()
    expect(again).to_have_text(re.compile("Send again in (39|38|37) s"))  # its script counts
    page.clock.fast_forward(41_000)
    expect(again).to_have_text("Send again")
    field = page.get_by_label(CODE, exact=True)
    field.fill("12")
    page.get_by_role("button", name=CHECK).click()
    expect(field).to_have_attribute("aria-invalid", "true")
    again.click()
    told = re.compile("We sent a code a moment ago. Try again in [34][0-9] s.")
    expect(page.get_by_role("status")).to_have_text(told)
    expect(again).to_be_disabled()
    expect(field).to_have_attribute("aria-invalid", "false")  # the code in it may be right


@pytest.mark.parametrize(
    ("number", "words"),
    [("12", "This is not a mobile number with + and its country code."), ("+442079460958", "This is a landline,")],
)
def test_errors_are_in_plain_words(server, open_page, number: str, words: str) -> None:
    """They are read out, and the field is marked."""
    page = open_page(f"{server().url}/demo", size="phone")
    send(page, number)
    status = page.get_by_role("status")
    expect(status).to_contain_text(words)
    expect(page.get_by_label("Phone number")).to_have_attribute("aria-invalid", "true")
    look(page, "demo-error")


def test_a_code_in_the_terminal_is_not_on_the_page(server, open_page) -> None:
    """The page says where it is."""
    running: RunningServer = server(OTP_CHANNELS="console")
    page: Page = open_page(f"{running.url}/demo")
    expect(page.get_by_text("prints each code in its terminal")).to_be_visible()
    send(page, next(NUMBERS))
    expect(page.get_by_role("status")).to_have_text("The code is in the terminal of the server.")
    expect(page.get_by_role("listitem")).to_contain_text("Terminal")
    look(page, "demo-terminal", whole=True)
    (code,) = re.findall("Your OTP is: ([0-9]{6})", running.log())
    assert code not in page.content()
    page.get_by_label(CODE, exact=True).fill(code)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Your number is confirmed.")


def test_the_keyboard_is_enough(server, fake_twilio: Provider, open_page) -> None:
    page: Page = open_page(f"{server().url}/demo")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    number = next(NUMBERS)
    page.keyboard.type(number)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name=SEND)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label(CODE, exact=True)).to_be_focused()
    page.keyboard.type(fake_twilio.code(number))
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Your number is confirmed.")


def test_a_server_that_is_gone_is_told(server, open_page) -> None:
    running: RunningServer = server()
    page = open_page(f"{running.url}/demo")
    running.stop()
    send(page, next(NUMBERS))
    expect(page.get_by_role("status")).to_have_text("The server cannot be reached.")


@pytest.mark.parametrize("size", ["phone", "desktop"])
@pytest.mark.parametrize("dark", COLOURS)
def test_the_root_leads_to_it(server, open_page, size: str, dark: bool) -> None:
    page = open_page(server().url, size=size, dark=dark)
    look(page, "root")
    page.get_by_role("main").get_by_role("link", name="/demo").click()
    expect(page.get_by_role("heading", name="Try a code")).to_be_visible()


@pytest.mark.parametrize("dark", COLOURS)
def test_a_demo_that_is_shut_says_what_to_do(server, open_page, dark: bool) -> None:
    """To a person whose server has API keys, and nobody without one."""
    running = server(OTP_APIS="native,demo", OTP_API_KEYS=api_key("shop", "send+verify", "right"))
    page = open_page(f"{running.url}/demo", size="phone", dark=dark)
    expect(page.get_by_role("heading", name="The demo is off")).to_be_visible()
    look(page, "demo-shut", whole=True)
    assert "/demo is off" in running.log()
    assert f"{running.url}/demo" not in running.log()
