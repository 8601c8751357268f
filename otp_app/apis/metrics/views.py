"""GET /metrics: what all workers have counted, in Prometheus' text format."""

from __future__ import annotations

from flask import Blueprint, Response

from otp_app.apis.metrics.state import State
from otp_app.monitoring.metrics.page import CONTENT_TYPE, page
from otp_app.web.access import requires
from otp_app.web.current import state

bp = Blueprint("metrics", __name__)


@bp.get("/metrics")
@requires("metrics")
def metrics() -> Response:
    """Return all metrics; one of the store is missing while that cannot be read."""
    found = state(State)
    return Response(page(found.meter.totals(), found.gauges.read()), content_type=CONTENT_TYPE)
