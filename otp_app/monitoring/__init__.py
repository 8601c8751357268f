"""What the server tells of itself to machines: metrics for Prometheus, traces for OpenTelemetry."""
