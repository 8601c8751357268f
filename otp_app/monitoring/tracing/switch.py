"""Whether traces are on: the standard variables of OpenTelemetry say so, from the environment alone."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from otp_app.plugins.extras import install_command

#: any of these asks for traces: OpenTelemetry itself would send them to localhost without any
ASKING = ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
EXPORTERS = ("otlp", "console")
PROTOCOL = "http/protobuf"  # the one of the extra: gRPC would take 10 MiB of each worker
PACKAGES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


def exporter(environ: Mapping[str, str]) -> str:
    """Return where spans go, `otlp` or `console`; "" where there are none."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ""
    if not any(environ.get(variable, "").strip() for variable in ASKING):
        return ""
    found = environ.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    return "" if found == "none" else found


def fault(environ: Mapping[str, str]) -> str | None:
    """Return why traces cannot be made that these variables ask for; None where they can, or are not asked for."""
    wanted = exporter(environ)
    if not wanted:
        return None
    if wanted not in EXPORTERS:
        return f"OTEL_TRACES_EXPORTER: write one of {', '.join(EXPORTERS)}, none"
    said = environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") or PROTOCOL
    if wanted == "otlp" and said != PROTOCOL:
        return f"OTEL_EXPORTER_OTLP_PROTOCOL: this server speaks {PROTOCOL} only"
    if any(not _is_here(package) for package in PACKAGES):
        return f"OTEL_…: traces need other packages: {install_command(PACKAGES[0])}"
    return None


def _is_here(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # not even what it is part of
        return False
