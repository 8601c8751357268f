"""The metrics, as the server opens them."""

from __future__ import annotations

from typing import ClassVar

from otp_app.apis.metrics import views
from otp_app.apis.metrics.state import State
from otp_app.monitoring.metrics.gauges import Gauges
from otp_app.web.api import Api
from otp_app.wiring import Services


class MetricsApi(Api):
    """GET /metrics. Where it is served, wiring.build has opened what counts."""

    others: ClassVar = (views.bp,)

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        assert services.meter  # noqa: S101  settings.is_measured
        tells_events = services.webhooks is not None
        self.state = State(services.meter, Gauges(services.store, services.meter.begun, tells_events=tells_events))
