"""The Flask application: what each answer has, and what no request here needs of Flask."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from flask import Flask, Request, Response
from flask.json.provider import DefaultJSONProvider
from werkzeug.routing import Map, MapAdapter, Rule

from otp_app.logs import request_id
from otp_app.web.request_ids import HEADER, RequestIds

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HEADERS = [
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
]
POLICY = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")


class Found(MapAdapter):
    """The route of a request whose method and path name it."""

    def __init__(self, routes: Map, rule: Rule) -> None:
        super().__init__(routes, "", "", "", "http", "/", "GET")
        self.rule = rule

    def match(self, *_: Any, **__: Any) -> tuple[Rule, Mapping[str, Any]]:
        """Return what Werkzeug finds by going through the path."""
        return self.rule, {}


class Application(Flask):
    """Flask, whose views are plain functions, and found at once where their path has no parameters."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return it as it is: none is async, and Flask would look at each of each request."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what finds the view of a request."""
        if request is None:
            return None
        environ = request.environ
        found = self._found.get((environ.get("REQUEST_METHOD", ""), environ.get("PATH_INFO", "")))
        return found if found and "HTTP_UPGRADE" not in environ else super().create_url_adapter(request)

    @cached_property
    def _found(self) -> dict[tuple[str, str], Found]:
        """Every method and path without parameters. Those of OPTIONS are answered from all rules of a path."""
        rules = [rule for rule in self.url_map.iter_rules() if not rule.arguments and not rule.build_only]
        return {(method, rule.rule): Found(self.url_map, rule)
                for rule in reversed(rules) for method in (rule.methods or set()) - {"OPTIONS"}}


class JsonResponse(Response):
    """An answer whose body is whole: it goes out as it is, without Werkzeug's look at how it could be sent."""

    def get_wsgi_response(self, environ: WSGIEnvironment) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """Return body, status and headers."""
        if environ["REQUEST_METHOD"] == "HEAD" or self.status_code in (204, 304) or self._on_close:
            return super().get_wsgi_response(environ)
        return [self.data], self.status, self.headers.to_wsgi_list()


class Compact(DefaultJSONProvider):
    """Flask's JSON with one encoder for all answers instead of one for each."""

    _encoder = json.JSONEncoder(separators=(",", ":"))

    def dumps(self, obj: Any, **_: Any) -> str:
        """Return the text of an answer."""
        return self._encoder.encode(obj)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """Return an answer with this value."""
        text = self.dumps(self._prepare_response_obj(args, kwargs))
        return JsonResponse(f"{text}\n", content_type=self.mimetype)


class Envelope:
    """Gives each request its id, and adds it and HEADERS to every answer, and POLICY to one without its own: below
    Flask, where it costs a tenth.
    """  # fmt: skip

    def __init__(self, wsgi_app: WSGIApplication) -> None:
        self._wsgi_app, self._ids = wsgi_app, RequestIds()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request. What it raises is logged with the id of the request, since that stays."""
        about = self._ids.of(environ)
        request_id.set(about)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            policy = [] if POLICY[0] in dict(headers) else [POLICY]
            return start_response(status, [*headers, *HEADERS, *policy, (HEADER, about)], exc_info)

        answer = self._wsgi_app(environ, start)
        request_id.set("")
        return answer
