"""WhatsApp, then SMS, from the request over the stand-in's receipts to the second message."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from werkzeug.serving import make_server

from tests.apis.callbacks.conftest import ACCOUNT, Reached
from tests.running import free_port, wait_until
from tests.twilio.fake_twilio import FakeTwilio
from tests.web.site import Site

ANN, BEN = "+919876543210", "+919876543211"


@pytest.fixture(scope="module")
def falling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reached]:
    """One for all tests of a module. The stand-in reports by itself, at once."""
    port = free_port()
    folder = tmp_path_factory.mktemp("store")
    (folder / "users.csv").write_text(f"user_id,phone_number\nann,{ANN}\n", encoding="utf-8")
    url, store = f"http://127.0.0.1:{port}", f"sqlite:///{folder}/otp.db"
    apis = {"otp_apis": ("native", "users", "phone"), "otp_directory_url": f"file://{folder}/users.csv"}
    with FakeTwilio() as twilio:
        given = ACCOUNT | {"twilio_api_base_url": twilio.url, "otp_public_url": url, "otp_store_url": store} | apis
        with closing(Site(**given)) as site:
            server = make_server("127.0.0.1", port, site.app, threaded=True)
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            yield Reached(site, twilio, url)
            twilio.drain()
            server.shutdown()
            server.server_close()
        assert not twilio.violations


def messages(falling: Reached, number: str) -> list[tuple[str, str | None]]:
    """What was sent to a number: addresses and codes."""
    sent = (message for message in falling.twilio.messages if message.api["to"].endswith(number))
    return [(message.api["to"], message.code) for message in sent]


def test_a_message_that_whatsapp_drops_is_followed_by_one_sms_with_its_code_within_two_seconds(
    falling: Reached,
) -> None:
    number = falling.site.number()
    falling.twilio.script(f"whatsapp:{number}", "sent", "undelivered:63024")
    begun = time.monotonic()
    answer = falling.site.send(number).json
    wait_until(lambda: len(messages(falling, number)) == 2, "the SMS", 10)
    assert time.monotonic() - begun < 2
    (_, code), second = messages(falling, number)
    assert second == (number, code)
    path = f"/verifications/{answer['verification_id']}"
    arrived = ["undelivered", "delivered"]
    wait_until(lambda: [send["delivery"] for send in falling.site.call("GET", path).json["sends"]] == arrived, "it")
    assert [send["channel"] for send in falling.site.call("GET", path).json["sends"]] == ["whatsapp", "sms"]
    falling.twilio.drain()
    wait_until(lambda: falling.site.services.store.jobs.next_in() is None, "the end of the job", 10)
    assert len(messages(falling, number)) == 2
    assert falling.site.verify(number, code).json["success"]


def test_who_has_used_the_code_gets_no_sms(falling: Reached) -> None:
    number = falling.site.number()
    falling.twilio.script(f"whatsapp:{number}", "sent")
    assert falling.site.send(number).status_code == 200
    (sent,) = (message for message in falling.twilio.messages if message.api["to"].endswith(number))
    falling.twilio.drain()
    assert falling.site.verify(number, sent.code).json["success"]
    falling.twilio.deliver(sent, "undelivered:63024")
    wait_until(lambda: falling.site.services.store.jobs.next_in() is None, "the end of the job", 10)
    assert len(messages(falling, number)) == 1


def test_a_resend_says_which_channel_it_used(falling: Reached) -> None:
    """Not the one that is known to be dead."""
    number = falling.site.number()
    falling.twilio.script(f"whatsapp:{number}", "sent", "undelivered:63024")
    sent = falling.site.send(number).json
    wait_until(lambda: len(messages(falling, number)) == 2, "the SMS", 10)
    falling.site.clock.advance(61)
    answer = falling.site.post("/resend-otp", {"verification_id": sent["verification_id"]}).json
    assert (sent["channel"], answer["channel"]) == ("whatsapp", "sms")


@pytest.mark.parametrize(("path", "body", "number", "words"), [
    ("/send-code", {"user_id": "ann"}, ANN, "Your verification code is: "),
    ("/api/phone/register", {"phone_number": BEN}, BEN, "Your OTP is: "),
])  # fmt: skip
def test_messages_of_other_apis_are_followed_in_their_own_words(
    falling: Reached, path: str, body: dict[str, str], number: str, words: str
) -> None:
    falling.twilio.script(f"whatsapp:{number}", "sent", "undelivered:63024")
    assert falling.site.post(path, body).status_code == 200
    wait_until(lambda: len(messages(falling, number)) == 2, "the SMS", 10)
    (text,) = (message.text for message in falling.twilio.messages if message.api["to"] == number)
    assert text.startswith(words)
