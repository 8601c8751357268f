"""An answer that a worker sends once the store has what it says; and the request that it asks again, if it has not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from otp_app.core.errors import StoreUnavailable
from otp_app.system.logs import log, request_id
from otp_app.web.client import GIVEN_ID
from otp_app.web.later import AGAIN, FAULT, LATER
from tests.web.site import Site


@pytest.fixture
def site(tmp_path: Any) -> Iterator[Site]:
    made = Site(otp_store_url=f"sqlite:///{tmp_path}/otp.db", otp_check_limits="5 per minute")
    yield made
    made.close()


def begin(site: Site, number: str, otp: str, **environ: Any) -> tuple[int, list[Callable[[], object]]]:
    waits: list[Callable[[], object]] = []
    return site.verify(number, otp, **{LATER: waits} | environ).status_code, waits


def test_only_one_of_two_right_codes_is_right(site: Site) -> None:
    """The other one's request is handled anew."""
    number = site.number()
    site.send(number)
    (first, waits), (second, others) = (begin(site, number, site.code()) for _ in range(2))
    assert (first, second) == (200, 200)
    assert [wait() for wait in (*waits, *others)] == [True, False]
    assert site.verify(number, site.code(), **{AGAIN: True}).status_code == 400


def test_a_request_that_is_asked_again_is_counted_once(site: Site) -> None:
    """Its limit may be reached by now."""
    number = site.number()
    site.send(number)
    for _ in range(4):
        site.verify(number, "000000")
    assert begin(site, number, site.code())[0] == 200
    assert site.verify(number, site.code()).status_code == 429
    assert site.verify(number, site.code(), **{AGAIN: True}).status_code == 400  # the first one is stored by now
    assert site.verify(number, site.code(), **{AGAIN: True, FAULT: StoreUnavailable("a")}).status_code == 503


def test_lines_of_the_log_have_the_id_of_its_request(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    number, about, said = site.number(), "0123456789abcdef-a", list[tuple[str, str]]()
    site.send(number)
    caplog.set_level(logging.INFO, "otp_app")
    monkeypatch.setattr(log, "handle", lambda record: said.append((record.msg, request_id.get())))
    _, (wait,) = begin(site, number, site.code(), HTTP_X_REQUEST_ID=about)
    assert said == []
    wait()
    assert said == [("Checked", about)]


def test_what_is_known_at_once_has_nothing_to_wait_for(site: Site) -> None:
    assert begin(site, site.number(), "123456") == (400, [])


def test_a_request_is_measured_when_its_answer_is_true(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its wait, and once: of one that is handled anew it is the other answer."""
    site = Site(otp_store_url=f"sqlite:///{tmp_path}/otp.db", otp_apis=("native", "metrics"))
    counted: list[str] = []
    number = site.number()
    site.send(number)
    monkeypatch.setattr(site.services.meter, "requested", lambda *what: counted.append(what[2]))
    waits = [wait for _ in range(2) for wait in begin(site, number, site.code())[1]]
    assert (len(waits), counted) == (4, [])
    assert [wait() for wait in waits[:3]] == [True, None, False]
    assert counted == ["200"]
    site.verify(number, site.code(), **{AGAIN: True})
    assert counted == ["200", "400"]
    site.close()


def test_a_request_that_is_asked_again_keeps_its_id(site: Site) -> None:
    """The lines of the log have it already."""
    answer = site.verify(site.number(), "123456", **{AGAIN: True, GIVEN_ID: "abcdefgh"})
    assert answer.headers["X-Request-ID"] == "abcdefgh"
