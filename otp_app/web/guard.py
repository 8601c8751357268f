"""Who may call: Host, API keys, and limits per client. A view without @requires is closed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from flask import Blueprint, Flask, Request, Response, current_app, g, request
from flask_limiter import Limiter, RateLimitExceeded
from werkzeug.exceptions import BadRequest, NotFound

from otp_app.core.errors import InvalidInput
from otp_app.settings import Settings
from otp_app.system.logs import warn_once
from otp_app.web import client
from otp_app.web.access import Access
from otp_app.web.client import Caller, Forbidden, Unauthorized, identified, shown_key
from otp_app.web.current import caller, services
from otp_app.web.errors import otp_error
from otp_app.web.later import AGAIN
from otp_app.web.limits import TooManyRequests, WrongKeys
from otp_app.wiring import Services

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[1-9][0-9]{0,4})?")  # its name or address, then the port
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
NOT_LOCAL = (
    "A request from another machine, or through a proxy, was rejected: no setting allows it. "
    "Set OTP_API_KEYS or OTP_PUBLIC=1, or, where all APIs served have credentials of their own, those"
)


class BadHost(InvalidInput):
    """No Host, or none of ours."""

    code = "bad_host"


def init_app(app: Flask) -> None:
    """Check where each request comes from, then its Host, then who asks and whether that one may."""
    services = app.extensions["otp"]
    app.extensions["otp_wrong_keys"] = WrongKeys(services.store)
    app.before_request(Guard(services).check)
    app.teardown_request(_leave)


def limit_clients(app: Flask, limits: Sequence[tuple[str, str, Sequence[Blueprint]]]) -> None:
    """Count the requests of each client without an API key, per operation: (its name, its limits, its blueprints)."""
    if not any(text for _, text, _ in limits):
        return
    store = app.extensions["otp"].store
    limiter = Limiter(lambda: caller().address, storage_uri="otp://", storage_options={"store": store})
    limiter.init_app(app)
    for operation, text, blueprints in limits:
        for blueprint in blueprints if text else ():
            limiter.shared_limit(text, scope=operation, exempt_when=_is_exempt)(blueprint)

    def too_many(_: RateLimitExceeded) -> Response:
        assert limiter.current_limit is not None  # noqa: S101  the one that was just reached
        return otp_error(TooManyRequests.by(limiter.current_limit.limit))

    app.register_error_handler(RateLimitExceeded, too_many)


class Guard:
    """Checks requests before their views. What it needs of the settings is read once."""

    def __init__(self, services: Services) -> None:
        self._services, self._settings = services, services.settings
        self._proxies = self._settings.otp_trusted_proxies
        self._hosts = _trusted_hosts(services)
        self._public_host = _name(self._settings.otp_public_url.partition("://")[2].partition("/")[0])

    def check(self) -> None:
        """Check the current request. Raises what it is rejected for."""
        asked = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - each use of the proxy costs
        environ = asked.environ
        view = current_app.view_functions[asked.endpoint] if asked.endpoint else None
        access: Access | None = getattr(view, "access", None)
        is_callback = access is not None and access.callback and self._is_at_public_url(environ)
        if not is_callback and not self._services.is_open and not client.is_local(environ, self._proxies):
            warn_once(NOT_LOCAL)
            raise Forbidden("This server answers only requests that come directly from its own machine")
        if environ.get("PATH_INFO", "").startswith("//"):
            raise NotFound  # Werkzeug would take it for the path with one slash
        if not environ.get("QUERY_STRING", "").isascii():
            raise BadRequest  # RFC 3986, 2.1: other bytes are written as %XX; gunicorn rejects them before
        if not is_callback:
            _check_host(environ.get("HTTP_HOST"), self._hosts)
        who = g.caller = self._caller(access, asked)
        if view is not None:  # otherwise there is no such path or method, and the router answers
            self._authorize(access, who)
        if access and access.scope == "send":  # before the client's limits count it
            self._services.sends.enter()
            g.sends = True

    def _is_at_public_url(self, environ: WSGIEnvironment) -> bool:
        return bool(self._public_host) and _name(environ.get("HTTP_HOST")) == self._public_host

    def _caller(self, access: Access | None, asked: Request) -> Caller:
        """No key is read where none is needed: to count a wrong one /healthz would wait for the store."""
        if access and access.scope is None:
            return Caller("", client.address(asked.environ, self._proxies))
        identify = access.credentials.identify if access and access.credentials else _identified
        return identify(asked, self._settings)

    def _authorize(self, access: Access | None, who: Caller) -> None:
        if access is None or (who.authenticated and access.scope and access.scope not in who.scopes):
            raise Forbidden("This API key may not do that")
        if not who.authenticated and not self._is_open_to(access):
            raise Unauthorized("An API key is needed: Authorization: Bearer KEY")

    def _is_open_to(self, access: Access) -> bool:
        if access.scope is None:
            return True
        return not self._services.is_open or (access.public and self._settings.otp_public)


def _is_exempt() -> bool:
    return (caller().authenticated and not caller().is_person) or AGAIN in request.environ


def _leave(_: BaseException | None) -> None:
    if g.pop("sends", False):
        services().sends.leave()


def _check_host(host: str | None, trusted: tuple[str, ...]) -> None:
    name = _name(host)
    if not name or (trusted and not is_trusted(name, trusted)):
        raise BadHost("The Host header names no host of this server")


def is_trusted(name: str, trusted: Iterable[str]) -> bool:
    """Return whether a name in lower case is in OTP_TRUSTED_HOSTS."""
    return any(name == each or (each[0] == "." and name.endswith(each)) for each in trusted)


def _name(host: str | None) -> str:
    """Return the name or address in a Host header, "" where it has another form."""
    match = HOST.fullmatch(host or "")
    return match[1].lower() if match else ""


def _trusted_hosts(services: Services) -> tuple[str, ...]:
    """On a server that only this machine should reach, another name in Host is a web page that rebinds its own."""
    if services.settings.otp_trusted_hosts or services.is_open:
        return services.settings.otp_trusted_hosts
    return (*LOOPBACK_HOSTS, services.settings.host)


def _identified(asked: Request, settings: Settings) -> Caller:
    address = client.address(asked.environ, settings.otp_trusted_proxies)
    shown = shown_key(asked.environ.get("HTTP_AUTHORIZATION"), asked.environ.get("HTTP_X_API_KEY"))
    return identified(shown, address, settings.otp_api_keys, count_wrong_key)


def count_wrong_key(address: str) -> None:
    """Count credentials that are not known. Raises TooManyWrongKeys after 10 in a minute of one client."""
    current_app.extensions["otp_wrong_keys"].count(address)
