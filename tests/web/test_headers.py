"""Headers of every answer."""

import pytest

from tests.web.house import api_key

HEADERS = {
    "Cache-Control": ["no-store"],
    "X-Content-Type-Options": ["nosniff"],
    "Content-Security-Policy": ["default-src 'none'; frame-ancestors 'none'"],
    "Referrer-Policy": ["no-referrer"],
}
ORIGIN = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}


def broken(house):
    house.channel.before = lambda: {}["x"]
    return house.send(headers=ORIGIN)


ANSWERS = {
    "200": lambda house: house.send(headers=ORIGIN),
    "400": lambda house: house.post("/send-otp", {}, headers=ORIGIN),
    "400 host": lambda house: house.call("GET", "/healthz", HTTP_HOST="evil.example"),
    "404": lambda house: house.call("GET", "/", headers=ORIGIN),
    "405": lambda house: house.call("GET", "/send-otp", headers=ORIGIN),
    "415": lambda house: house.post("/send-otp", b"{}", headers=ORIGIN),
    "429": lambda house: [house.send("+14155552671", headers=ORIGIN) for _ in range(2)][1],
    "500": broken,
    "options": lambda house: house.call("OPTIONS", "/send-otp", headers=ORIGIN),
    "head": lambda house: house.call("HEAD", "/healthz", headers=ORIGIN),
}


@pytest.mark.parametrize("make", ANSWERS.values(), ids=ANSWERS)
def test_every_answer_is_sealed(house, make):
    """Not to be kept, sniffed, framed or let out by a referrer; each header once."""
    answer = make(house)
    assert {name: answer.headers.getlist(name) for name in HEADERS} == HEADERS


@pytest.mark.parametrize("make", ANSWERS.values(), ids=ANSWERS)
def test_no_answer_is_for_other_sites(house, make):
    """No CORS header ever: a web page of another origin reads nothing."""
    assert [name for name, _ in make(house).headers if name.startswith("Access-Control")] == []


@pytest.mark.parametrize("make", ANSWERS.values(), ids=ANSWERS)
def test_no_answer_has_a_cookie(house, make):
    """There are no sessions."""
    assert "Set-Cookie" not in make(house).headers


def test_a_preflight_is_no_way_past_the_guard(open_house):
    """With keys configured OPTIONS needs one like everything else."""
    house = open_house(otp_api_keys=api_key("shop", "send", "a"))
    assert house.call("OPTIONS", "/send-otp", headers=ORIGIN).status_code == 401
