"""Swagger UI, which sends requests from the page /docs, and its files.

They come from the package flask-swagger-ui (pip install 'otp-app[docs]'). A file is read when somebody asks for it, and
then kept: a thousand slow readers of it share its bytes, instead of a megabyte for each.
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from flask import Blueprint, Response, render_template, request
from werkzeug.exceptions import NotFound

from otp_app.web.access import requires
from otp_app.web.pages import ASKED, KEPT, KINDS, SHARED, pages

bp = Blueprint("swagger", __name__, template_folder="templates")

PACKAGE = "flask_swagger_ui"
FILES = ("swagger-ui.css", "swagger-ui-bundle.js")
#: That of other pages, but Swagger UI sets styles of single elements. docs.js starts it: no script stands in the page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page(refused: list[str]) -> Response:
    """Return the page; `refused`: operations that reject pages in a browser, as `post /path/{name}`."""
    text = render_template("swagger.html", refused=json.dumps(refused), shared=SHARED.url, url=_url, pages=pages())
    return Response(text, headers={"Content-Security-Policy": POLICY}, mimetype="text/html")


@bp.get("/docs/<name>")
@requires(None, page=True)
def docs_file(name: str) -> Response:
    """A file of that page, as small as the reader takes it, or 304 to a browser that has it. Raises NotFound."""
    if (found := folder()) is None or name not in FILES:
        raise NotFound
    is_small = bool(request.accept_encodings["gzip"])
    answer = Response(content(found / name, is_small), mimetype=KINDS[Path(name).suffix])
    answer.headers["Cache-Control"] = KEPT if request.args.get("v") == _version() else ASKED
    answer.headers["Content-Security-Policy"] = "default-src 'none'"
    answer.headers["Vary"] = "Accept-Encoding"
    if is_small:
        answer.headers["Content-Encoding"] = "gzip"
    answer.set_etag(f"{_version()}-{'small' if is_small else 'whole'}")
    answer.make_conditional(request)
    return answer


@cache
def folder() -> Path | None:
    """Return where the files of Swagger UI are; None without the package. It is looked up only, and not imported."""
    spec = find_spec(PACKAGE)
    return Path(spec.origin).parent / "dist" if spec and spec.origin else None


@cache
def content(path: Path, is_small: bool) -> bytes:
    """Return what a file has, compressed or as it is."""
    return gzip.compress(path.read_bytes(), mtime=0) if is_small else path.read_bytes()


@cache
def _version() -> str:
    return version(PACKAGE)


def _url(name: str) -> str:
    return f"/docs/{name}?v={_version()}"
