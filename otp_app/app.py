"""create_app: the Flask application, with the APIs that the settings name. apis/ has the table of them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from flask import Blueprint, Flask

from otp_app import startup
from otp_app.apis import FACES
from otp_app.apis.native import jwks
from otp_app.logs import log, set_up
from otp_app.settings import Settings
from otp_app.startup import refusals, reloading
from otp_app.web import errors, guard, health, openapi
from otp_app.web.responses import Compact, SecurityHeaders
from otp_app.web.sole_worker import Claim
from otp_app.wiring import Services, build


def create_app(settings: Settings | None = None, services: Services | None = None) -> Flask:
    """Return the application over these services, or over those that the settings describe: given, else those that the
    process before the fork has accepted, else those of the environment and `.env`.

    Raises startup.BadSettings, SecondWorkerError, and what wiring.build raises.
    """
    claim = None
    if services is None:
        settings = settings or reloading.accepted() or startup.load()
        set_up(settings.otp_log_level)
        for line in startup.advice(settings):
            log.warning(line)
        if refusals.needs_one_process(settings):
            claim = Claim()
            claim.take()
        services = build(settings)
    app = Application("otp_app", static_folder=None)
    app.extensions["otp"] = services
    app.url_map.merge_slashes = False  # a second spelling of a path would be a redirect in HTML
    app.json = Compact(app)
    errors.init_app(app)
    if claim:
        app.before_request(claim.check)
    guard.init_app(app)
    settings = services.settings
    for blueprint in blueprints(settings):
        app.register_blueprint(blueprint)
    faces = [FACES[name] for name in settings.otp_apis]
    guard.limit_clients(
        app,
        [
            ("send", settings.otp_client_limits, [_blueprint(name) for face in faces for name in face.sends]),
            ("check", settings.otp_check_limits, [_blueprint(name) for face in faces for name in face.checks]),
        ],
    )
    app.wsgi_app = SecurityHeaders(app.wsgi_app)  # type: ignore[method-assign]
    return app


def blueprints(settings: Settings) -> list[Blueprint]:
    """Return all that is served; the code of the faces is imported with this call."""
    faces = [_blueprint(name) for face in settings.otp_apis for name in FACES[face].blueprints]
    return [health.bp, openapi.bp, *([jwks.bp] if settings.otp_proof_keys else []), *faces]


def _blueprint(name: str) -> Blueprint:
    """Import it only now: a face that is not served costs nothing."""
    module, _, attribute = name.partition(":")
    blueprint: Blueprint = getattr(import_module(module), attribute)
    return blueprint


class Application(Flask):
    """Flask without a look at each function of each request for whether it is async: none is."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return it as it is."""
        return func
