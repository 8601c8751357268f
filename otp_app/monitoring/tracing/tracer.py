"""A span for each request, and in it one for each call of a channel and of the store. None has a number or a path."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial, wraps
from typing import Any

from opentelemetry import context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from otp_app.core.delivery import Channel, Delivery
from otp_app.core.store import Store
from otp_app.monitoring.tracing import words
from otp_app.monitoring.watching import CALLS_OF_CHANNELS, CALLS_OF_STORES, Call, watch
from otp_app.system.logs import request_id
from otp_app.version import __version__

EXPORTERS = {"otlp": OTLPSpanExporter, "console": ConsoleSpanExporter}

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Tracer:
    """Makes spans and has them exported, in the background."""

    def __init__(self, processor: SpanProcessor, environ: Mapping[str, str]) -> None:
        named = {} if environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: "otp_app"}
        self._provider = TracerProvider(resource=Resource.create({**named, SERVICE_VERSION: __version__}))
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("otp_app", __version__)
        self._incoming = TraceContextTextMapPropagator()

    def trace_channels(self, channels: Iterable[Channel]) -> None:
        """Have each call of these channels in a span, from now on."""
        for channel in channels:
            watch(channel, CALLS_OF_CHANNELS, partial(self._traced, {"otp.channel": channel.name}))

    def trace_store(self, store: Store) -> None:
        """Have each call of this store in a span, from now on."""
        watch(store, CALLS_OF_STORES, partial(self._traced, {"otp.store": type(store).__name__}))

    def _traced(self, attributes: Mapping[str, str], name: str, call: Call) -> Call:
        kind = f"{next(iter(attributes)).partition('.')[2]} {name}"

        @wraps(call)
        def traced(*args: Any, **kwargs: Any) -> Any:
            with self._tracer.start_as_current_span(
                kind, kind=SpanKind.CLIENT, attributes=attributes,
                record_exception=False, set_status_on_exception=False,  # its text may hold what nobody should read
            ) as span:  # fmt: skip
                try:
                    answer = call(*args, **kwargs)
                except Exception as error:
                    span.set_attribute("error.type", type(error).__name__)
                    span.set_status(Status(StatusCode.ERROR))
                    raise
                if isinstance(answer, Delivery):
                    span.set_attribute("otp.outcome", str(answer.outcome))
                return answer

        return traced

    def around(self, wsgi_app: Wsgi) -> Wsgi:
        """Return the application with a span around each request, which belongs to the trace that its caller names."""

        def traced(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            parent = self._incoming.extract(_carrier(environ))
            span = self._tracer.start_span(str(environ["REQUEST_METHOD"]), parent, SpanKind.SERVER)
            token = context.attach(set_span_in_context(span, parent))

            def start(status: str, headers: Any, exc_info: Any = None) -> Any:
                _describe(span, environ, int(status[:3]))
                return start_response(status, headers, exc_info)

            try:
                return wsgi_app(environ, start)
            finally:
                context.detach(token)
                span.end()

        return traced

    def close(self) -> None:
        """Export what is left."""
        self._provider.shutdown()


def opened(exporter: str, environ: Mapping[str, str]) -> Tracer:
    """Return a tracer whose exporter (see switch.exporter) and batches are as the variables say."""
    words.take_over()
    return Tracer(BatchSpanProcessor(EXPORTERS[exporter]()), environ)


def _carrier(environ: Mapping[str, Any]) -> dict[str, str]:
    names = ("traceparent", "tracestate")
    return {name: environ[key] for name in names if (key := f"HTTP_{name.upper()}") in environ}


def _describe(span: Span, environ: Mapping[str, Any], status: int) -> None:
    """Name a request by its route: its path may have a number in it."""
    rule = environ["werkzeug.request"].url_rule
    if rule:
        span.update_name(f"{environ['REQUEST_METHOD']} {rule.rule}")
        span.set_attribute("http.route", rule.rule)
    span.set_attribute("http.request.method", environ["REQUEST_METHOD"])
    span.set_attribute("http.response.status_code", status)
    span.set_attribute("otp.request_id", request_id.get())
    if status >= 500:
        span.set_status(Status(StatusCode.ERROR))
