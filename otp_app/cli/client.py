"""The commands' client of a running server, over HTTP."""

from __future__ import annotations

import http.client
import json
import os
import sys
from collections.abc import Callable, Collection
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import click

from otp_app.cli.command import MISUSED, CannotDo
from otp_app.cli.open_store import settings_of
from otp_app.settings.exposure import is_loopback
from otp_app.startup import listening

KEY = "OTP_CLI_KEY"
START = "start one, or name it with --url"
TIMEOUT = 30.0  # seconds: a send through two channels takes less
MOST = 1 << 20  # bytes of an answer
OTHER = "another program, or a proxy, answers there"
NO_API = "The server does not serve this: set OTP_APIS=native for codes, OTP_TEMPLATES_FILE for notifications"
F = TypeVar("F", bound=Callable[..., Any])


class Server(NamedTuple):
    """A running server, as a command was told of it."""

    url: str
    key: str

    def post(self, path: str, fields: dict[str, Any], needs: Collection[str]) -> dict[str, Any]:
        """Return what the server answers to the fields that say something. Raises what `ask` does."""
        return self.ask("POST", path, needs, json.dumps({name: value for name, value in fields.items() if value}))

    def ask(self, method: str, path: str, needs: Collection[str], body: str | None = None) -> dict[str, Any]:
        """Return what the server answers, with at least the fields `needs`. Raises CannotDo where it refuses, or does
        not answer.

        A request that may have arrived is never repeated.
        """  # fmt: skip
        status, answer = self._answer(method, path, body)
        if 200 <= status < 300:
            if not answer.keys() >= set(needs):
                raise CannotDo(f"HTTP {status} without what this command needs came back: {OTHER}")
            return answer
        if answer.get("error") == http.HTTPStatus.NOT_FOUND.phrase:  # of the path: what is not stored has other words
            raise CannotDo(NO_API)
        line = str(answer.get("error") or answer.get("message") or f"The server answered HTTP {status}")
        again = answer.get("retry_after")
        raise CannotDo(f"{line}. Try again in {again} s" if again else line)

    def _answer(self, method: str, path: str, body: str | None) -> tuple[int, dict[str, Any]]:
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        with closing(kind(str(parts.hostname), parts.port, timeout=TIMEOUT)) as connection:
            try:
                connection.connect()
            except OSError as error:
                reason = error.strerror or type(error).__name__
                raise CannotDo(f"No server answers at {self.url} ({reason}): {START}") from None
            try:
                connection.request(method, f"{parts.path.rstrip('/')}{path}", body, headers)
                response = connection.getresponse()
                content = response.read(MOST)
            except (OSError, http.client.HTTPException):
                raise CannotDo("The server gave no clear answer: what was asked may have been done") from None
        return response.status, _document(content, response.status)


def _document(content: bytes, status: int) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise CannotDo(f"HTTP {status} without a JSON object came back: {OTHER}")
    return found


def server_options(function: F) -> F:
    """Add `--url` and `--key-file`: the command gets them as `url` and `key_file`, for `server_of`."""
    key_file = click.Path(exists=True, dir_okay=False, path_type=Path)
    function = click.option("--key-file", type=key_file, help=f"file with the API key (default: {KEY})")(function)
    return click.option("--url", default="", help="URL of the server (default: by HOST and PORT)")(function)


def server_of(url: str, key_file: Path | None) -> Server:
    """Return the server that the options name, by default that of the settings, and tell its URL. Raises CannotDo."""
    key = _key(key_file)
    server = Server(_checked(url, has_key=bool(key)) if url else _own(), key)
    print(f"Server: {server.url}", file=sys.stderr)
    return server


def _own() -> str:
    settings = settings_of({"HOST", "PORT"})
    return listening.url_of(settings.host, settings.port)


def _checked(url: str, *, has_key: bool) -> str:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        is_good = False
    if not is_good or parts.username or parts.query or parts.fragment:
        raise CannotDo("--url: write http://host:port or https://host, without a user and a query", MISUSED)
    if has_key and parts.scheme == "http" and not is_loopback(str(parts.hostname)):
        raise CannotDo("--url: a key would cross the network in plain text: use https", MISUSED)
    return url.rstrip("/")


def _key(file: Path | None) -> str:
    try:
        key = file.read_text(encoding="ascii").strip() if file else os.environ.get(KEY, "").strip()
    except (OSError, UnicodeDecodeError):
        raise CannotDo(f"--key-file: {file} cannot be read as a key", MISUSED) from None
    if file and not key:
        raise CannotDo(f"--key-file: {file} is empty", MISUSED)
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise CannotDo(f"{'--key-file' if file else KEY}: this is no key", MISUSED)
    return key
