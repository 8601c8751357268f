"""Metrics: what the server has counted, for Prometheus."""
