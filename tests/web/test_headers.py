"""Headers of every answer."""

import json
import re

import pytest

from otp_app.system.logs import JsonLines, log, request_id
from otp_app.web.application import Envelope
from otp_app.web.client import RequestIds, is_id
from tests.web.site import api_key

HEADERS = {
    "Cache-Control": ["no-store"], "X-Content-Type-Options": ["nosniff"],
    "Content-Security-Policy": ["default-src 'none'; frame-ancestors 'none'"], "Referrer-Policy": ["no-referrer"],
}  # fmt: skip
ORIGIN = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}


def broken(site):
    site.channel.before = lambda: {}["x"]
    return site.send(headers=ORIGIN)


ANSWERS = {
    "200": lambda site: site.send(headers=ORIGIN), "400": lambda site: site.post("/send-otp", {}, headers=ORIGIN),
    "400 host": lambda site: site.call("GET", "/healthz", HTTP_HOST="evil.example"),
    "404": lambda site: site.call("GET", "/nothing", headers=ORIGIN),
    "405": lambda site: site.call("GET", "/send-otp", headers=ORIGIN),
    "415": lambda site: site.post("/send-otp", b"{}", headers=ORIGIN),
    "429": lambda site: [site.send("+14155552671", headers=ORIGIN) for _ in range(2)][1], "500": broken,
    "options": lambda site: site.call("OPTIONS", "/send-otp", headers=ORIGIN),
    "head": lambda site: site.call("HEAD", "/healthz", headers=ORIGIN),
}  # fmt: skip


@pytest.mark.parametrize("make", ANSWERS.values(), ids=ANSWERS)
def test_every_answer_is_sealed(site, make):
    """Not kept, sniffed, framed, let out by a referrer or read by another site; each header once, and no cookie."""
    headers = make(site).headers
    assert {name: headers.getlist(name) for name in HEADERS} == HEADERS
    assert [name for name, _ in headers if name.startswith(("Access-Control", "Set-Cookie"))] == []


def test_a_preflight_is_no_way_past_the_guard(open_site):
    """With keys configured OPTIONS needs one like everything else."""
    site = open_site(otp_api_keys=api_key("shop", "send", "a"))
    assert site.call("OPTIONS", "/send-otp", headers=ORIGIN).status_code == 401


# ---- the id of a request


@pytest.mark.parametrize("make", ANSWERS.values(), ids=ANSWERS)
def test_every_answer_names_its_request(site, make):
    """By an id that no other request has."""
    names = {make(site).headers["X-Request-ID"] for _ in range(2)}
    assert len(names) == 2
    assert all(re.fullmatch("[a-p]{24}", name) for name in names)


OWN = [
    "550e8400-e29b-41d4-a716-446655440000", "12345678-1234-1234-1234-123456789012", "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "7f3b9c0a1d2e4f5a6b7c8d9e0f1a2b3c", "req_8fK2-xPq.7LmN0wZ", "a" * 64,
]  # fmt: skip
NOT_TAKEN = [
    "", "abc", "a" * 15, "a" * 65, "a" * 20 + "\n", "a" * 20 + " b", "é" * 20, '","level":"CRITICAL", "', "<b>" * 8,
    "1415555267141555526714155552671", "checkout-14155552671", "order_of_user-123456", "4155552671.checkout.step",
]  # fmt: skip


@pytest.mark.parametrize("said", OWN)
def test_a_caller_may_name_its_request(site, said):
    """It finds the lines of its request by what it knows already."""
    assert site.call("GET", "/healthz", HTTP_X_REQUEST_ID=said).headers.getlist("X-Request-ID") == [said]


@pytest.mark.parametrize("said", NOT_TAKEN)
def test_a_name_that_could_forge_a_line_or_hold_a_number_is_not_taken(site, said):
    """The request gets another one."""
    assert said not in site.call("GET", "/healthz", HTTP_X_REQUEST_ID=said).headers.getlist("X-Request-ID")


def test_each_line_of_a_request_has_its_id(site, caplog):
    """And none after it."""
    caplog.set_level("INFO")
    caplog.handler.setFormatter(JsonLines())
    answer = site.send(headers={"X-Request-ID": OWN[0]})
    assert answer.status_code == 200
    log.info("afterwards")
    *lines, after = map(json.loads, caplog.text.splitlines())
    assert [(line["message"], line["request_id"]) for line in lines] == [("Sent", OWN[0])]
    assert "request_id" not in after


def test_an_error_that_gets_past_flask_is_logged_with_the_id():
    """The server logs it after the application."""

    def broken(*_):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        Envelope(broken)({"HTTP_X_REQUEST_ID": OWN[0]}, None)
    assert request_id.get() == OWN[0]
    request_id.set("")


def test_ids_are_drawn_and_not_counted():
    """One says nothing of the next, here or in another process, and a caller may send it again."""
    ids = [found.taken(None) for found in (RequestIds(), RequestIds()) for _ in range(600)]
    assert len({name[:12] for name in ids}) == len({name[12:] for name in ids}) == 1200
    assert all(is_id(name) for name in ids)


def says_so(_):
    """What a test names as OTP_ON_APPROVED."""
    log.warning("heard")


def test_what_an_operators_function_logs_has_the_id_too(open_site, caplog):
    """It runs in a thread of its own."""
    caplog.handler.setFormatter(JsonLines())
    site = open_site(otp_on_approved="tests.web.test_headers:says_so")
    number = site.number()
    site.send(number)
    assert site.verify(number, headers={"X-Request-ID": OWN[0]}).status_code == 200
    (line,) = [line for line in map(json.loads, caplog.text.splitlines()) if line["message"] == "heard"]
    assert line["request_id"] == OWN[0]
