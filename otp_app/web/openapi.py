"""GET /openapi.json, /docs and /redoc: what this server serves, once for programs and once for people.

Each API has a fragment in its folder. The document is the fragments of what is served, and who may call is taken from
the views themselves.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, TypeVar, cast

from flask import Blueprint, Response, current_app, render_template, request
from werkzeug.routing import Rule

from otp_app.plugins.extras import install_command
from otp_app.settings import Settings
from otp_app.version import __version__
from otp_app.web import swagger
from otp_app.web.access import Access, requires
from otp_app.web.api import Api
from otp_app.web.current import scheme, services
from otp_app.web.pages import pages

bp = Blueprint("openapi", __name__, template_folder="templates")

APIS = Path(__file__).parents[1] / "apis"
COMMON = Path(__file__).with_name("openapi.json")  # of what every server has
VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>")  # of a route
STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
#: The page may use its own style, named by its digest, and nothing else.
POLICY = "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
BASE = "http://server.invalid"  # stands in the prepared page for where its reader found us
BEARER = '-H "Authorization: Bearer $OTP_API_KEY"'  # curl's option that shows an API key

Node = dict[str, Any]  # of the document
Made = TypeVar("Made")


class Operation(NamedTuple):
    """One method of one path."""

    method: str
    path: str
    node: Node


class Page(NamedTuple):
    """The document as a page without scripts."""

    html: str
    policy: str


_making = Lock()


@bp.get("/openapi.json")
@requires(None)
def openapi() -> Response:
    """The OpenAPI document of this server."""
    document = _once("openapi.json", lambda: current_app.json.dumps(_document(services().settings)).encode())
    return Response(document, mimetype="application/json")


@bp.get("/docs")
@requires(None)
def docs() -> Response:
    """The document as a page that sends requests; without the package for it, as one that only shows it."""
    return swagger.page(_refusing_pages()) if swagger.folder() else plain()


@bp.get("/docs/plain")
@requires(None)
def plain() -> Response:
    """The document as a page without scripts."""
    page = _once("docs", lambda: _page(_document(services().settings)))
    headers = {"Content-Security-Policy": page.policy}
    return Response(page.html.replace(BASE, _base()), headers=headers, mimetype="text/html")


@bp.get("/redoc")
@requires(None)
def redoc() -> Response:
    """Redirect to /docs/plain: servers made with FastAPI have a page for reading there, beside /docs."""
    return Response(status=302, headers={"Location": "/docs/plain"})


def _once(name: str, make: Callable[[], Made]) -> Made:
    """Return what this server has made under this name. Anybody may ask for it, so it is made once."""
    with _making:  # all that ask a new worker at once wait for one of them, instead of each making the same
        made = current_app.extensions.setdefault("openapi", {})
        if name not in made:
            made[name] = make()
    return cast("Made", made[name])


def _page(document: Node) -> Page:
    groups = [(tag, [o for o in operations(document) if tag["name"] in o.node["tags"]]) for tag in document["tags"]]
    html = render_template(
        "docs.html",
        document=document,
        groups=groups,
        resolve=partial(resolve, document),
        parameters=partial(parameters, document),
        curl=partial(curl, document),
        pretty=pretty,
        pages=pages(),
        here="/docs",
        to_install="" if swagger.folder() else _to_install(),
    )
    (style,) = STYLE.findall(html)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return Page(html, POLICY.format(digest))


def _to_install() -> str:
    """Return the command that gets Swagger UI; anybody may read it, so no folder of this machine is in it."""
    python = Path(sys.executable)
    shown = str(python.relative_to(Path.cwd())) if python.is_relative_to(Path.cwd()) else python.name
    return install_command(swagger.PACKAGE).replace(sys.executable, shown)


def operations(document: Node) -> Iterator[Operation]:
    """Yield every operation of a document."""
    for path, item in document["paths"].items():
        # of all that a path has, its methods alone are objects
        yield from (Operation(method, path, node) for method, node in item.items() if isinstance(node, dict))


def resolve(document: Node, node: Node) -> Node:
    """Return the node, or what it refers to."""
    if "$ref" not in node:
        return node
    found: Any = document
    for name in node["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return resolve(document, found)


def parameters(document: Node, operation: Operation) -> list[Node]:
    """Return what an operation takes beside its body."""
    found = document["paths"][operation.path].get("parameters", []) + operation.node.get("parameters", [])
    return [resolve(document, parameter) for parameter in found]


def curl(document: Node, operation: Operation) -> str:
    """Return the line for a shell that does the operation with its first example, of its first media type."""
    parts = ["curl", *([] if operation.method == "get" else ["-X", operation.method.upper()])]
    if (security := operation.node["security"]) and {} not in security:
        parts.append(_options()[next(iter(security[0]))])
    for kind, media in islice(operation.node.get("requestBody", {}).get("content", {}).items(), 1):
        parts += _body(kind, next(iter(media["examples"].values()))["value"])
    values = {found["name"]: found["example"] for found in parameters(document, operation) if found["in"] == "path"}
    return " ".join([*parts, f"'{BASE}{operation.path.format_map(values)}'"])


def _options() -> dict[str, str]:
    """Return curl's option for each kind of credentials, by the name of its scheme."""
    settings, found = services().settings, {"bearer": BEARER}
    for view in current_app.view_functions.values():
        access: Access | None = getattr(view, "access", None)
        if access and access.credentials:
            found[access.credentials.scheme] = access.credentials.curl(settings)
    return found


def pretty(value: Any) -> str:
    """Return an example as people read it."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _body(kind: str, example: Node) -> list[str]:
    if kind == "application/json":
        return ["-H", shlex.quote(f"Content-Type: {kind}"), "-d", shlex.quote(json.dumps(example))]
    return [word for name, value in example.items() for word in ("--data-urlencode", shlex.quote(f"{name}={value}"))]


def _base() -> str:
    """Return where the reader found us; guard lets in no Host that could be markup or end a quotation."""
    return f"{scheme()}://{request.host}"


def _document(settings: Settings) -> Node:
    views: dict[str, Any] = current_app.view_functions
    apis: dict[str, Api] = current_app.extensions["otp_apis"]
    found = put_together([*(path for name, api in apis.items() for path in api.documents(APIS / name)), COMMON])
    for rule in current_app.url_map.iter_rules():
        item = found["paths"].get(_path(rule), {})
        for method in {method.lower() for method in rule.methods or ()} & item.keys():
            item[method]["security"] = _security(views[rule.endpoint].access, settings)
    return found


def _refusing_pages() -> list[str]:
    """Return the operations that reject every page in a browser."""
    views: dict[str, Any] = current_app.view_functions
    found = []
    for rule in current_app.url_map.iter_rules():
        access: Access = views[rule.endpoint].access
        if access.callback or (access.credentials and not access.credentials.pages):
            found += [f"{method.lower()} {_path(rule)}" for method in sorted(rule.methods or ())]
    return found


def _path(rule: Rule) -> str:
    """Return the path of a route as the document has it."""
    return VARIABLE.sub(r"{\1}", rule.rule)


def put_together(fragments: Iterable[Path]) -> Node:
    """Return the document of these fragments; one that is not there adds nothing."""
    found: Node = {"openapi": "3.1.0", "info": {"version": __version__}}
    for path in fragments:
        if path.exists():
            _merge(found, json.loads(path.read_text(encoding="utf-8")))
    return found


def _merge(into: Node, fragment: Node) -> None:
    """Add a fragment: objects into objects, lists behind lists."""
    for name, value in fragment.items():
        if isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = into[name] + value if name in into else value


def _security(access: Access, settings: Settings) -> list[Node]:
    """Return what has to be shown, each alone; {}: it works without."""
    if access.credentials:
        return [{access.credentials.scheme: []}]
    if access.scope is None or not settings.otp_api_keys:
        return []
    shown: list[Node] = [{"bearer": [access.scope]}, {"header": [access.scope]}]
    return [{}, *shown] if access.public and settings.otp_public else shown
