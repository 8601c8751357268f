"""create_app: the Flask application, with the APIs that the settings name. apis/ has the table of them."""

from __future__ import annotations

from flask import Flask

from otp_app import startup
from otp_app.apis import load_api, served
from otp_app.settings import Settings
from otp_app.startup import reloading, rules
from otp_app.system.logs import log, set_up
from otp_app.web import errors, guard, health, measuring, openapi, pages, root, swagger
from otp_app.web.application import Application, Compact, Envelope
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
        set_up(settings.otp_log_level, settings.otp_log_format)
        for line in startup.advice(settings):
            log.warning(line)
        if rules.needs_one_process(settings):
            claim = Claim()
            claim.take()
        services = build(settings)
    app = Application("otp_app", static_folder=None)
    app.extensions["otp"] = services
    is_waited_for = services.settings.otp_on_approved or services.tracer  # an operator's function; a span's end
    app.begins_checks = services.verifications.begins_checks and not is_waited_for
    app.url_map.merge_slashes = False  # a second spelling of a path would be a redirect in HTML
    app.json = Compact(app)
    errors.init_app(app)
    if claim:
        app.before_request(claim.check)
    guard.init_app(app)
    for each in health.bp, openapi.bp, root.bp, pages.bp, swagger.bp:
        app.register_blueprint(each)
    _open_apis(app, services)
    services.do_jobs()
    if services.meter:
        measuring.init_app(app, services.meter)
    if services.tracer:
        app.wsgi_app = services.tracer.around(app.wsgi_app)  # type: ignore[method-assign, assignment]
    app.wsgi_app = Envelope(app.wsgi_app)  # type: ignore[method-assign]
    return app


def _open_apis(app: Flask, services: Services) -> None:
    settings = services.settings
    apis = {name: load_api(name)(services) for name in served(settings)}
    app.extensions["otp_apis"] = apis
    app.extensions["otp_states"] = {type(api.state): api.state for api in apis.values()}
    for api in apis.values():
        errors.render_with(app, api.render_error, [blueprint.name for blueprint in api.blueprints()], api.prefixes)
        for blueprint in api.blueprints():
            app.register_blueprint(blueprint)
    guard.limit_clients(
        app,
        [
            ("send", settings.otp_client_limits, [blueprint for api in apis.values() for blueprint in api.sends]),
            ("check", settings.otp_check_limits, [blueprint for api in apis.values() for blueprint in api.checks]),
        ],
    )
