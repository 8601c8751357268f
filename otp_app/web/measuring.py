"""What is counted of requests: each answer with its time, and why those were not done that were not."""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from flask import Flask, request

from otp_app.web import later

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from otp_app.monitoring.metrics.meter import Meter
    from otp_app.web.api import Api

NOWHERE = ("none", "none")  # no path, or another method


def init_app(app: Flask, meter: Meter) -> None:
    """Count the requests of this application from now on. Its APIs are open."""
    measured = app.extensions["otp_measured"] = Measured(app, meter)
    app.wsgi_app = measured  # type: ignore[method-assign]


class Measured:
    """Measures below Flask, where it costs a tenth."""

    def __init__(self, app: Flask, meter: Meter) -> None:
        self._wsgi_app: WSGIApplication = app.wsgi_app
        self._meter, self._names = meter, _names(app)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request. It is counted as its answer begins, when that is whole, and true."""
        begin, names, requested = perf_counter(), self._names, self._meter.requested

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            asked = environ["werkzeug.request"]  # Flask's proxy of it costs more than all else here
            api, operation = names.get(asked.endpoint, NOWHERE)
            if waits := environ.get(later.LATER):
                waits.append(lambda: requested(api, operation, status[:3], perf_counter() - begin))
            else:
                requested(api, operation, status[:3], perf_counter() - begin)
            return start_response(status, headers, exc_info)

        return self._wsgi_app(environ, start)

    def rejected(self, error_type: str, error: Exception | None) -> None:
        """Count the current request as one that was not done."""
        self._meter.rejected(self._names.get(request.endpoint, NOWHERE)[0], error_type, error)


def _names(app: Flask) -> dict[str | None, tuple[str, str]]:
    """Return the API and the view by the name of each endpoint; what belongs to no API is the server's."""
    apis: dict[str, Api] = app.extensions["otp_apis"]
    of_blueprint = {blueprint.name: name for name, api in apis.items() for blueprint in api.blueprints()}
    parts = {endpoint: endpoint.partition(".") for endpoint in app.view_functions}
    return {endpoint: (of_blueprint.get(blueprint, "server"), view) for endpoint, (blueprint, _, view) in parts.items()}
