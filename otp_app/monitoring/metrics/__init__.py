"""Metrics: what all workers of a server have counted, for Prometheus. It is imported only where they are served."""
