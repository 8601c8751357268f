"""/metrics of a process that gunicorn does not run, where OTP_METRICS_PORT says that somebody reads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from otp_app.apis.command import CannotServeError
from otp_app.core.store import Store
from otp_app.settings import Settings
from otp_app.settings.exposure import is_loopback
from otp_app.system.logs import log
from otp_app.system.program import COMMAND

if TYPE_CHECKING:
    from otp_app.monitoring.metrics.meter import Meter

KEYS_NEEDED = (
    f"OTP_METRICS_HOST: the address can be reached from elsewhere: set OTP_API_KEYS ({COMMAND} keys new NAME "
    "--scopes metrics)"
)


@contextmanager
def scraped(settings: Settings, meter: Meter | None, store: Store | None) -> Iterator[None]:
    """Serve what a process counts and what waits in its store, while it works. Raises CannotServeError."""
    if meter is None:
        yield
        return
    from otp_app.monitoring.metrics.gauges import Gauges
    from otp_app.monitoring.metrics.page import page
    from otp_app.web.scraping import Scraping

    if not (is_loopback(settings.otp_metrics_host) or settings.otp_api_keys):
        raise CannotServeError(KEYS_NEEDED)
    gauges = Gauges(store, meter.begun, tells_events=bool(settings.otp_events_url))
    try:
        opened = Scraping(settings, lambda: page(meter.totals(), gauges.read()))
    except OSError as error:
        reason = f"OTP_METRICS_HOST, OTP_METRICS_PORT: cannot listen there: {error.strerror}"
        raise CannotServeError(reason, passing=True) from None
    with closing(opened):
        log.info("metrics %s", opened.where)
        yield
