"""What the view of the metrics works with."""

from __future__ import annotations

from dataclasses import dataclass

from otp_app.monitoring.metrics.gauges import Gauges
from otp_app.monitoring.metrics.meter import Meter


@dataclass(frozen=True, slots=True)
class State:
    """What was counted, and what is looked up."""

    meter: Meter
    gauges: Gauges
