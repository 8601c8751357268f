"""The Flask application: what each answer has, and what no request here needs of Flask."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
from flask import Flask, Request, Response
from flask.json.provider import DefaultJSONProvider
from werkzeug.routing import Map, MapAdapter, Rule

from otp_app.system.logs import request_id
from otp_app.web.client import GIVEN_ID, REQUEST_ID, RequestIds

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HEADERS = [
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
]
_PARAMETERS = re.compile(r"([^<>]+)((?:/<[a-z_]+>){1,2})")
_NAME = re.compile(r"<([a-z_]+)>")
POLICY = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")


class Found(MapAdapter):
    """The route of a request whose method and path name it."""

    def __init__(self, routes: Map, rule: Rule, values: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(routes, "", "", "", "http", "/", "GET")
        self.rule, self.values = rule, dict(values)

    def match(self, *_: Any, **__: Any) -> tuple[Rule, Mapping[str, Any]]:
        """Return what Werkzeug finds by going through the path."""
        return self.rule, self.values.copy()


class Application(Flask):
    """Flask, whose views are plain functions, and found at once by the beginning of a path that only they have."""

    begins_checks = False  # whether a worker may wait for the store in place of the view of a check; see later.py

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return it as it is: none is async, and Flask would look at each of each request."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what finds the view of a request."""
        if request is None:
            return None
        environ = request.environ
        method, path = environ.get("REQUEST_METHOD", ""), environ.get("PATH_INFO", "")
        found = self._found.get((method, path)) or self._by_beginning(method, path)
        return found if found and "HTTP_UPGRADE" not in environ else super().create_url_adapter(request)

    def _by_beginning(self, method: str, path: str) -> Found | None:
        """Return the route of a path whose last parts are parameters."""
        for count in (1, 2):
            beginning, *values = path.rsplit("/", count)
            named = self._beginnings.get((method, beginning, count))
            if named and all(values) and path.isascii():
                return Found(self.url_map, named[0], zip(named[1], values, strict=True))
        return None

    @cached_property
    def _found(self) -> dict[tuple[str, str], Found]:
        """Every method and path without parameters. Those of OPTIONS are answered from all rules of a path."""
        rules = [rule for rule in self.url_map.iter_rules() if not rule.arguments and not rule.build_only]
        return {(method, rule.rule): Found(self.url_map, rule)
                for rule in reversed(rules) for method in (rule.methods or set()) - {"OPTIONS"}}

    @cached_property
    def _beginnings(self) -> dict[tuple[str, str, int], tuple[Rule, list[str]]]:
        """Every method, path and number of parameters behind it, where no other path begins so: rule and parameters."""
        found, rules = {}, list(self.url_map.iter_rules())
        for rule in rules:
            parts = _PARAMETERS.fullmatch(rule.rule)
            if parts and all(other.rule in (rule.rule, parts[1]) for other in rules if other.rule.startswith(parts[1])):
                names = _NAME.findall(parts[2])
                for method in (rule.methods or set()) - {"OPTIONS"}:
                    found[method, parts[1], len(names)] = rule, names
        return found


class WholeResponse(Response):
    """An answer whose body is whole: it goes out as it is, without Werkzeug's look at how it could be sent."""

    def get_wsgi_response(self, environ: WSGIEnvironment) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """Return body, status and headers."""
        if environ["REQUEST_METHOD"] == "HEAD" or self.status_code == 304 or self._on_close:
            return super().get_wsgi_response(environ)
        if self.status_code == 204:
            self.headers.remove("Content-Length")
            return [], self.status, self.headers.to_wsgi_list()
        return [self.data], self.status, self.headers.to_wsgi_list()


class Compact(DefaultJSONProvider):
    """Flask's JSON by msgspec, which takes a tenth of the time; what is not ASCII is written as Flask does."""

    _encode = msgspec.json.Encoder().encode
    _ascii = json.JSONEncoder(separators=(",", ":"))

    def dumps(self, obj: Any, **_: Any) -> str:
        """Return the text of an answer."""
        return str(self._bytes(obj), "ascii")

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """Return an answer with this value."""
        data = self._bytes(self._prepare_response_obj(args, kwargs))
        return WholeResponse(data + b"\n", content_type=self.mimetype)

    def _bytes(self, obj: Any) -> bytes:
        try:
            if (data := self._encode(obj)).isascii():
                return data
        except (UnicodeEncodeError, OverflowError):  # half of a character, or a number of more than 64 bits
            pass
        return self._ascii.encode(obj).encode()


class Envelope:
    """Gives each request its id, and adds it, HEADERS and POLICY to every answer: below Flask, where it costs a tenth.

    A page, which is an answer with its own policy, has its own HEADERS too where it needs others.
    """

    def __init__(self, wsgi_app: WSGIApplication) -> None:
        self._wsgi_app, self._ids = wsgi_app, RequestIds()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request. What it raises is logged with the id of the request, since that stays."""
        about = environ.get(GIVEN_ID) or self._ids.taken(environ.get("HTTP_X_REQUEST_ID"))
        environ[GIVEN_ID] = about  # for a worker that asks again
        request_id.set(about)

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            given = dict(headers)
            added = [each for each in HEADERS if each[0] not in given] if POLICY[0] in given else [*HEADERS, POLICY]
            return start_response(status, [*headers, *added, (REQUEST_ID, about)], exc_info)

        answer = self._wsgi_app(environ, start)
        request_id.set("")
        return answer
