"""GET /metrics: what was counted of everything that a server does."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from otp_app.core.delivery import Delivery, Outcome, Reason
from otp_app.core.errors import StoreUnavailable
from otp_app.monitoring.metrics import families
from tests.monitoring.metrics.reading import Samples, read, value
from tests.running import ROOT
from tests.web.site import Site, api_key, wrong


class Watched(Site):
    """A site whose metrics are read."""

    def samples(self) -> Samples:
        answer = self.call("GET", "/metrics")
        assert (answer.status_code, answer.content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
        return read(answer.get_data(as_text=True))

    def value(self, name: str, **labels: str) -> float:
        return value(self.samples(), name, **labels)


@pytest.fixture
def open_watched() -> Iterator[Callable[..., Watched]]:
    opened: list[Watched] = []

    def open_(**given: object) -> Watched:
        opened.append(Watched(otp_apis=("native", "metrics"), otp_client_limits="", **given))
        return opened[-1]

    yield open_
    for site in opened:
        site.close()


@pytest.fixture
def watched(open_watched: Callable[..., Watched]) -> Watched:
    return open_watched()


def test_a_story_is_counted(watched: Watched) -> None:
    """Each step once, by what became of it."""
    number = watched.number()
    watched.send(number)
    watched.verify(number, wrong(watched.code()))
    watched.verify(number)
    watched.verify(number)
    found = watched.samples()
    assert value(found, "otp_verifications_started_total", way="code", calling_code="1") == 1
    assert value(found, "otp_messages_total", kind="verification", channel="sms", outcome="sent") == 1
    checks = {result: value(found, "otp_checks_total", result=result) for result in ("wrong", "approved", "refused")}
    assert checks == {"wrong": 1, "approved": 1, "refused": 1}
    assert value(found, "otp_approvals_total", channel="sms", calling_code="1") == 1
    assert value(found, "otp_http_requests_total", api="native") == 4
    assert value(found, "otp_http_requests_total", api="native", operation="verify_otp", status="400") == 2
    assert value(found, "otp_http_request_duration_seconds_count", api="native", operation="send_otp") == 1
    assert value(found, "otp_provider_call_duration_seconds_count", channel="sms", call="deliver") == 1
    assert value(found, "otp_store_call_duration_seconds_count", call="swap") >= 3


def test_a_resend_is_a_message_and_no_verification(open_watched: Callable[..., Watched]) -> None:
    site = open_watched(otp_resend_gaps=())
    number = site.number()
    for _ in range(3):
        site.send(number)
    assert site.value("otp_messages_total", outcome="sent") == 3
    assert site.value("otp_verifications_started_total") == 1


def test_a_refusal_has_its_reason(watched: Watched) -> None:
    watched.channel.answers.append(Delivery(Outcome.REFUSED, reason=Reason.BAD_NUMBER, provider_code=21211))
    watched.channel.answers.append(Delivery(Outcome.UNKNOWN))
    watched.send()
    watched.send()
    found = watched.samples()
    assert value(found, "otp_messages_total", channel="sms", outcome="refused") == 1
    assert value(found, "otp_messages_total", channel="sms", outcome="unknown") == 1
    assert value(found, "otp_refusals_total", channel="sms", reason="bad_number") == 1
    assert value(found, "otp_refusals_total") == 1
    assert value(found, "otp_rejections_total", api="native", error_type="bad_number") == 1


def test_limits_are_counted_by_whose_they_are(open_watched: Callable[..., Watched]) -> None:
    site = open_watched(otp_check_limits="1/hour")
    number = site.number()
    for _ in range(2):
        site.send(number)
        site.verify(number, "000000")
    found = site.samples()
    assert value(found, "otp_limits_reached_total", limit="resend_too_soon", of="number") == 1
    assert value(found, "otp_limits_reached_total", limit="too_many_requests", of="client") == 1
    assert value(found, "otp_rejections_total", api="native") == 2


@pytest.mark.parametrize("path", ["/nowhere", "/send-otp/+14155552671", "/v2/Services/VA1", "/verifications"])
def test_no_path_of_a_caller_becomes_a_label(watched: Watched, path: str) -> None:
    """Whatever is asked for: a scanner would fill the memory."""
    watched.call("GET", path)
    assert watched.value("otp_http_requests_total", api="none", operation="none", status="404") == 1
    assert path not in watched.call("GET", "/metrics").get_data(as_text=True)


def test_no_number_code_or_key_is_in_it(open_watched: Callable[..., Watched]) -> None:
    site = open_watched(otp_api_keys=api_key("shop", "send+verify+metrics", "s3cret"))
    number = site.number()
    site.send(number, key="s3cret")
    site.verify(number, key="s3cret")
    text = site.call("GET", "/metrics", key="s3cret").get_data(as_text=True)
    assert value(read(text), "otp_approvals_total") == 1
    assert [found for found in (number[1:], number[-7:], site.code(), "shop", "s3cret") if found in text] == []


def test_usual_series_are_there_from_the_start(watched: Watched) -> None:
    """An alert on an increase misses the first one of a series that comes with it."""
    found = watched.samples()
    assert set(found.values()) >= {0.0}
    for name, labels in [("otp_messages_total", {"channel": "sms", "outcome": "refused"}), ("otp_checks_total", {}),
                         ("otp_refusals_total", {"channel": "sms", "reason": "provider_auth"}),
                         ("otp_outcomes_lost_total", {})]:
        assert any(given == name and labels.items() <= dict(shown).items() for given, shown in found)


def test_what_waits_is_looked_up(watched: Watched) -> None:
    assert watched.value("otp_jobs_waiting") == 0
    watched.services.store.jobs.put("later:1", b"", 60)
    assert watched.value("otp_jobs_waiting") == 1
    assert watched.value("otp_jobs_overdue_seconds") == 0
    assert ("otp_events_waiting", frozenset()) not in watched.samples()


def test_without_the_store_there_are_the_counts(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are needed most when it is away."""

    def away() -> int:
        raise StoreUnavailable

    watched.send()
    monkeypatch.setattr(watched.services.store.jobs, "waiting", away)
    found = watched.samples()
    assert value(found, "otp_messages_total") == 1
    assert ("otp_jobs_waiting", frozenset()) not in found


def test_a_listener_fails_no_request(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it keep the others from hearing."""
    monkeypatch.setattr(watched.services.meter, "_listeners", None)
    assert watched.send().status_code == 200


@pytest.mark.parametrize(("key", "environ", "status"), [
    ("", {}, 401), ("", {"REMOTE_ADDR": "203.0.113.9"}, 401), ("shop", {}, 403), ("monitor", {}, 200),
    ("monitor", {"REMOTE_ADDR": "203.0.113.9"}, 200),
])  # fmt: skip
def test_it_is_for_the_metrics_scope(open_watched, key: str, environ: dict[str, str], status: int) -> None:
    keys = f"{api_key('shop', 'send', 'shop')},{api_key('monitor', 'metrics', 'monitor')}"
    site = open_watched(otp_api_keys=keys)
    through = {"HTTP_X_FORWARDED_FOR": "203.0.113.9"}
    assert site.call("GET", "/metrics", key=key, **(environ or through)).status_code == status


def test_without_keys_it_is_for_this_machine(watched: Watched) -> None:
    assert watched.call("GET", "/metrics").status_code == 200
    assert watched.call("GET", "/metrics", REMOTE_ADDR="203.0.113.9").status_code == 403


@pytest.mark.slow
def test_it_is_off_by_default() -> None:
    """And then nothing is imported of it."""
    program = (
        "import sys; from otp_app.wiring import build; from otp_app.serving.app import create_app;"
        "from otp_app.settings import Settings;"
        "s = build(Settings(otp_store_url='memory://')); create_app(services=s); s.close();"
        "sys.exit(any('metrics' in name for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_every_family_has_a_meaning_and_bounded_labels() -> None:
    known = {"way", "calling_code", "channel", "result", "kind", "outcome", "reason", "status", "error_class", "limit",
             "of", "api", "error_type", "operation", "call", "version", "method", "code", "queue"}  # fmt: skip
    for family in (*families.COUNTED, *families.GAUGES):
        assert family.meaning.endswith("."), family.name
        assert set(family.labels) <= known, family.name
        assert list(family.buckets) == sorted(set(family.buckets))


def test_metrics_of_two_servers_in_one_process_are_two(open_watched: Callable[..., Watched]) -> None:
    first, second = open_watched(), open_watched()
    first.send()
    assert (first.value("otp_messages_total"), second.value("otp_messages_total")) == (1, 0)


def test_the_page_of_the_documents_has_every_family() -> None:
    """With its labels, and no other."""
    page = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(otp_\w+)` \|([^|]*)\|", page, re.MULTILINE)
    told = {name: tuple(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    assert told == {family.name: family.labels for family in (*families.COUNTED, *families.GAUGES)}
