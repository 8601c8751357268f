"""Tags: a caller's own words, from a send to the timeline."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from tests.web.site import Site


def shown(site: Site, verification_id: str) -> Any:
    return site.call("GET", f"/verifications/{verification_id}").json["tags"]


def send(site: Site, number: str, tags: Any, **how: Any) -> Any:
    return site.post("/send-otp", {"phone_number": number, "tags": tags}, **how)


def test_the_tags_of_the_newest_send_with_some_are_shown(site: Site) -> None:
    """A resend without any leaves those that are there; with others it replaces all."""
    number = site.number()
    verification_id = send(site, number, {"order": "A-1", "tenant": "Ü €"}).json["verification_id"]
    assert shown(site, verification_id) == {"order": "A-1", "tenant": "Ü €"}
    site.clock.advance(31)
    site.send(number)
    assert shown(site, verification_id) == {"order": "A-1", "tenant": "Ü €"}
    site.clock.advance(61)
    again = site.post("/resend-otp", {"verification_id": verification_id, "tags": {"order": "A-2", "extra": "x"}})
    assert (again.status_code, again.json["verification_id"]) == (200, verification_id)
    assert shown(site, verification_id) == {"order": "A-2", "extra": "x"}


MOST = {"tag": "x" * 100, "ü": "é" * 75 + "z"}  # 256 bytes


@pytest.mark.parametrize("tags", [MOST, dict.fromkeys("abcde", ""), {}])
def test_the_most_that_may_be_given(site: Site, tags: dict[str, str]) -> None:
    verification_id = send(site, site.number(), tags).json["verification_id"]
    assert shown(site, verification_id) == tags


@pytest.mark.parametrize(("tags", "error"), [
    (MOST | {"tag": "x" * 101}, "tags: names and values may have 256 bytes together"),
    (dict.fromkeys("abcdef", ""), "tags: at most 5"), ({"a": "b\n"}, "tags: a name must not be empty"),
    ({"": "a"}, "tags: a name must not be empty"), ({"\x7f": "a"}, "tags: a name must not be empty"),
    ({"a": 1}, "tags: Input should be an object of strings"), ({"a": None}, "tags: Input should be an object"),
    (["a"], "tags: Input should be an object of strings"), (None, "tags: Input should be an object of strings"),
    ("order", "tags: Input should be an object of strings"),
])  # fmt: skip
def test_other_tags_are_rejected_and_nothing_is_sent(site: Site, tags: Any, error: str) -> None:
    answer = send(site, site.number(), tags)
    assert (answer.status_code, answer.json["error_type"]) == (400, "bad_request")
    assert answer.json["error"].startswith(error)
    assert site.channel.messages == []


def test_tags_belong_to_what_an_idempotency_key_repeats(site: Site) -> None:
    """Without tags a request has the hash that versions before tags gave it."""
    number, key = site.number(), {"Idempotency-Key": "one"}
    first = send(site, number, {"order": "A-1"}, headers=key)
    assert send(site, number, {"order": "A-1"}, headers=key).json == first.json
    assert send(site, number, {"order": "A-2"}, headers=key).status_code == 422
    other = {"Idempotency-Key": "two"}
    without = site.send(headers=other, number=(number := site.number()))
    assert send(site, number, {}, headers=other).json == without.json


def test_no_log_has_them(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    number = site.number()
    send(site, number, {"order": "A-10421"})
    site.verify(number)
    send(site, number, {"order": "A-10421", "": ""})
    assert caplog.records
    assert "10421" not in json.dumps([record.__dict__ for record in caplog.records], default=str)
