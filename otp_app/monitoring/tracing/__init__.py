"""Traces for OpenTelemetry. Its packages are imported only where the standard variables OTEL_… switch traces on."""
