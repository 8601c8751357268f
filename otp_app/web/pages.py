"""What all pages for people share: the layout in templates/layout.html, the files in static, and how both are answered.

A page is a template that extends layout.html, answered by `page`. Its view is marked with @requires(…, page=True). A
folder of an API may have files of its own: see Files.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from flask import Blueprint, Response, current_app, render_template, request
from werkzeug.exceptions import NotFound

from otp_app.version import __version__
from otp_app.web.access import requires
from otp_app.web.api import Api
from otp_app.web.current import services

bp = Blueprint("pages", __name__, template_folder="templates")

KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
#: A page loads nothing from elsewhere and has no style or script in itself.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: Without a referrer a browser would name no origin in the forms of a page: form.from_another_site needs it.
REFERRER = "same-origin"
KEPT = "public, max-age=31536000, immutable"  # at an address that names the content
ASKED = "no-cache"  # at the plain address: kept, and asked for by ETag before each use


class File(NamedTuple):
    """A file as it is answered."""

    content: bytes
    kind: str
    version: str  # another one as soon as the content is


class Files:
    """The files of a folder that pages load from below a path: read once, when the first is asked for."""

    def __init__(self, folder: Path, path: str) -> None:
        self._folder, self._path = folder, path

    @cached_property
    def _found(self) -> dict[str, File]:
        return {path.name: _file(path) for path in self._folder.iterdir() if path.suffix in KINDS}

    def url(self, name: str) -> str:
        """Return where a file is, as it is in this version."""
        return f"{self._path}/{name}?v={self._found[name].version}"

    def answer(self, name: str) -> Response:
        """Return a file, or 304 to a browser that has it. Raises NotFound."""
        if name not in self._found:
            raise NotFound
        file = self._found[name]
        response = Response(file.content, mimetype=file.kind)
        response.set_etag(file.version)
        response.headers["Cache-Control"] = KEPT if request.args.get("v") == file.version else ASKED
        response.headers["Content-Security-Policy"] = "default-src 'none'"
        response.make_conditional(request)
        return response


SHARED = Files(Path(__file__).with_name("static"), "/static")


@bp.get("/static/<name>")
@requires(None, page=True)
def static(name: str) -> Response:
    """A file that pages share, otp.js among them."""
    return SHARED.answer(name)


def page(template: str, status: int = 200, **values: Any) -> Response:
    """Return a page. Its template has `shared(name)`, the address of a file in static, and the pages of the server."""
    text = render_template(template, shared=SHARED.url, pages=pages(), version=__version__, **values)
    return answer(text, status)


def answer(html: str, status: int) -> Response:
    """Return the HTML of a page with the headers that all of them have."""
    headers = {"Content-Security-Policy": POLICY, "Referrer-Policy": REFERRER}
    return Response(html, status, headers, mimetype="text/html")


def pages() -> dict[str, str]:
    """Return the pages that this server has and people can open, by path, with what they do there."""
    apis: dict[str, Api] = current_app.extensions["otp_apis"]
    settings = services().settings
    return {path: what for api in apis.values() for path, what in api.open_pages(settings).items()}


def _file(path: Path) -> File:
    content = path.read_bytes()
    return File(content, KINDS[path.suffix], hashlib.sha256(content).hexdigest()[:16])
