"""Headers of every answer."""

import pytest

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
    "404": lambda site: site.call("GET", "/", headers=ORIGIN),
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
