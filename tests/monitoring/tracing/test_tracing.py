"""Traces: a span for each request, and in it one for each call of a channel and of the store."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otp_app.core.delivery import Delivery, Outcome, Reason
from otp_app.core.errors import StoreUnavailable
from otp_app.monitoring.tracing import switch, tracer
from otp_app.monitoring.tracing.tracer import Tracer
from otp_app.startup import BadSettings, load
from otp_app.stores import memory
from tests.provider import Provider
from tests.running import RunningServer, free_port
from tests.web.site import Site

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Traced(Site):
    """A site whose spans are kept."""

    kept: InMemorySpanExporter

    def spans(self) -> list[ReadableSpan]:
        """Those that have ended since the last look, in that order."""
        found = list(self.kept.get_finished_spans())
        self.kept.clear()
        return found


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[Traced]:
    kept = InMemorySpanExporter()
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setattr(tracer, "opened", lambda _, environ: Tracer(SimpleSpanProcessor(kept), environ))
    site = Traced(otp_client_limits="", otp_check_limits="")
    site.kept = kept
    yield site
    site.close()


def test_a_send_is_one_trace(traced: Traced) -> None:
    """The message and each step of the store are in the span of the request."""
    traced.send(headers={"X-Request-ID": "7f3b9c0a1d2e4f5a"})
    *inner, request = traced.spans()
    assert request.name == "POST /send-otp"
    told = {"http.route": "/send-otp", "http.response.status_code": 200, "otp.request_id": "7f3b9c0a1d2e4f5a"}
    assert told.items() <= dict(request.attributes or {}).items()
    names = [span.name for span in inner]
    assert (names.count("channel deliver"), set(names)) == (1, {"channel deliver", "store swap"})
    assert {span.parent.span_id for span in inner if span.parent} == {request.context.span_id}
    (message,) = [span for span in inner if span.name == "channel deliver"]
    assert dict(message.attributes or {}) == {"otp.channel": "sms", "otp.outcome": "sent"}


def test_a_caller_may_name_the_trace(traced: Traced) -> None:
    """By W3C's traceparent; one that cannot be read begins a new one."""
    for said, trace in [(f"00-{TRACE}-{PARENT}-01", True), ("00-x-y-01", False), ("+14155552671", False)]:
        traced.call("GET", "/healthz", headers={"traceparent": said})
        (span,) = traced.spans()
        assert (f"{span.context.trace_id:032x}" == TRACE) == trace
        assert (span.parent is not None) == trace


def test_no_span_has_a_number_a_code_or_the_text_of_an_error(traced: Traced, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was asked for, and wherever it failed."""
    number = traced.number()
    traced.channel.answers.append(Delivery(Outcome.REFUSED, reason=Reason.BAD_NUMBER))
    for _ in range(2):
        traced.send(number)
    traced.verify(number)
    traced.call("GET", f"/verifications/{number}?number={number}")
    traced.call("GET", f"/{number}")

    def fails(*_: object) -> None:
        raise StoreUnavailable(f"of {number}")

    monkeypatch.setattr(memory, "_living", fails)
    traced.send()
    text = "".join(span.to_json() for span in traced.spans())
    assert "StoreUnavailable" in text
    assert [found for found in (number[1:], number[-7:], traced.code()) if found in text] == []


def test_an_error_shows(traced: Traced, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the call and at the request."""
    monkeypatch.setattr(memory, "_living", None)
    assert traced.send().status_code == 500
    call, request = traced.spans()
    assert (call.name, dict(call.attributes or {})["error.type"]) == ("store swap", "TypeError")
    assert not call.status.is_ok
    assert not request.status.is_ok


SWITCHES = {
    "": ({}, ""),
    "an endpoint": ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, "otlp"),
    "an endpoint of traces": ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, "otlp"),
    "an exporter": ({"OTEL_TRACES_EXPORTER": "console"}, "console"),
    "no exporter": ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, ""),
    "off": ({"OTEL_SDK_DISABLED": "TRUE", "OTEL_TRACES_EXPORTER": "otlp"}, ""),
    "something else": ({"OTEL_SERVICE_NAME": "shop", "OTEL_METRICS_EXPORTER": "otlp"}, ""),
}


@pytest.mark.parametrize(("environ", "exporter"), SWITCHES.values(), ids=SWITCHES)
def test_the_standard_variables_switch_it_on(environ: dict[str, str], exporter: str) -> None:
    assert switch.exporter(environ) == exporter
    assert switch.fault(environ) is None


FAULTS = {
    "an exporter that is not here": ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER: write one of"),
    "gRPC": ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL: "),
}


@pytest.mark.parametrize(("environ", "said"), FAULTS.values(), ids=FAULTS)
def test_what_cannot_be_traced_does_not_start(environ: dict[str, str], said: str, tmp_path) -> None:
    """Nobody should look for traces that never come."""
    with pytest.raises(BadSettings) as refused:
        load(environ, tmp_path)
    (line,) = refused.value.faults
    assert line.startswith(said)


def test_without_its_packages_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switch, "find_spec", lambda _: None)
    assert "requirements-otel.txt" in str(switch.fault({"OTEL_TRACES_EXPORTER": "otlp"}))


@pytest.mark.slow
def test_off_nothing_is_imported() -> None:
    program = (
        "import sys; from otp_app.wiring import build; from otp_app.serving.app import create_app;"
        "from otp_app.settings import Settings;"
        "s = build(Settings(otp_store_url='memory://')); create_app(services=s); s.close();"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


class Collector(BaseHTTPRequestHandler):
    """Takes spans as OpenTelemetry's collector does."""

    spans: list[str]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        told = ExportTraceServiceRequest.FromString(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
        assert self.path == "/v1/traces"
        for resource in told.resource_spans:
            named = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
            spans = [span for scope in resource.scope_spans for span in scope.spans]
            self.spans += [f"{named['service.name']}: {span.name}" for span in spans]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.slow
def test_workers_export_their_spans_before_they_end(tmp_path: Path) -> None:
    """To a collector that the environment names."""
    Collector.spans = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector, Provider() as provider:
        Thread(target=collector.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{collector.server_port}"
        named = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_SERVICE_NAME": "shop"}
        with RunningServer(tmp_path, provider.url, workers=2, **named) as server:
            assert server.post("/send-otp", {"phone_number": "+14155552671"}).status == 200
        collector.shutdown()
    assert {"shop: POST /send-otp", "shop: channel deliver", "shop: store swap"} <= set(Collector.spans)


@pytest.mark.slow
def test_a_collector_that_is_away_costs_no_request_and_no_stop(tmp_path: Path) -> None:
    """Its spans are lost, and the log says so, without its address and headers, which hold keys, and values of clients.

    Any client may send headers that OpenTelemetry cannot read, as often as it likes.
    """
    tracing = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "+14155552671"}
    with Provider() as provider:
        named = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://127.0.0.1:{free_port()}/v1/traces?key=a-secret",
                 "OTEL_EXPORTER_OTLP_HEADERS": "Authorization: Bearer a-secret"}
        server = RunningServer(tmp_path, provider.url, **named).start()
        for code in ("123456", "123457"):
            asked = {"phone_number": "+14155552671", "otp": code}
            assert server.post("/verify-otp", asked, headers=tracing).status < 500
        assert server.stop() == 0
    log = server.log()
    assert "a-secret" not in log
    assert "4155552671" not in log
    assert [log.count(f"traces: {said}") for said in ("Header format invalid!", "Member doesn't match")] == [1, 1]
    assert "traces: Failed to export" in log
