"""Plain requests: those of which no two servers could think differently, read by one pattern instead of by a parser.

gunicorn's parser knows all that HTTP allows, and takes a third of the time of a small request. Most requests need none
of that: one method, a path of letters, each header once, and nothing of Transfer-Encoding, Expect or Upgrade. Whatever
this module does not know for certain it does not read, and gunicorn's parser decides. A test compares the two.
"""

from __future__ import annotations

import io
import os
import re
import socket
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from gunicorn.http.wsgi import base_environ  # type: ignore[import-untyped]

MOST_BYTES = 4096  # of a head; a longer one is gunicorn's
MOST_TARGET = 1024  # bytes of its path and query
MOST_FIELDS = 40
_HEAD = re.compile(
    r"(GET|POST|DELETE) ((/[A-Za-z0-9/_.~-]*+)(?:\?([A-Za-z0-9/_.~&=%+-]*+))?+) HTTP/1\.1\r\n"
    r"((?:[A-Za-z0-9-]++: ?+(?:[!-~]++(?: [!-~]++)*+)?+\r\n)*+)\r\n"
)
_FIELD = re.compile(r"^([^:\n]++): ?+([^\r\n]*+)\r\n", re.MULTILINE)
_LENGTH = re.compile(r"[0-9]{1,5}")
#: fields that change what a request is
_UNUSUAL = ("TRANSFER-ENCODING", "TRAILER", "TE", "EXPECT", "UPGRADE", "HTTP2-SETTINGS")
#: settings of gunicorn with which something else than the application looks at requests
_SETTINGS = ("proxy_protocol", "protocol", "pre_request", "post_request", "statsd_host")

Reader = Callable[[bytes], dict[str, Any] | None]


class PlainRequests:
    """Plain requests as gunicorn reads them under its settings `cfg`."""

    def __init__(self, cfg: Config) -> None:
        # A proxy that gunicorn trusts may say that its client came by https.
        unusual = (*_UNUSUAL, *(cfg.secure_scheme_headers if cfg.forwarded_allow_ips else ()))
        self._unusual = frozenset(map(_key, unusual))
        self._environ = base_environ(cfg) | {
            "wsgi.multithread": True, "wsgi.url_scheme": "http", "SCRIPT_NAME": "", "SERVER_PROTOCOL": "HTTP/1.1",
        }  # fmt: skip

    @staticmethod
    def are_known(cfg: Config, logger: Logger) -> bool:
        """Return whether requests may be read here under these settings of gunicorn."""
        limits = ((cfg.limit_request_line, MOST_TARGET + 20), (cfg.limit_request_field_size, MOST_BYTES),
                  (cfg.limit_request_fields, MOST_FIELDS))
        unwatched = all(cfg.settings[name].get() == cfg.settings[name].default for name in _SETTINGS)
        longer = all(limit >= ours or limit <= 0 for limit, ours in limits)
        no_log = type(logger).access is Logger.access and not logger.access_log_enabled
        return unwatched and longer and no_log and not os.environ.get("SCRIPT_NAME")

    def reader(self, sock: socket.socket, client: Any, server: Any) -> Reader | None:
        """Return what reads the plain requests of a connection. None behind a Unix socket: there everyone is a proxy
        that gunicorn trusts, and the request itself names the server.
        """
        if not isinstance(server, tuple):
            return None
        names = {"REMOTE_ADDR": client[0], "REMOTE_PORT": str(client[1]),
                 "SERVER_NAME": server[0], "SERVER_PORT": str(server[1])}
        return partial(self._read, self._environ | names | {"gunicorn.socket": sock})

    def _read(self, connection: dict[str, Any], data: bytes) -> dict[str, Any] | None:
        """Return the WSGI environment of the plain request that the data are; None where they are something else."""
        end = data.find(b"\r\n\r\n", 0, MOST_BYTES) + 4
        head = _HEAD.fullmatch(str(data[:end], "latin-1"))
        if head is None:
            return None
        method, target, path, query, lines = head.groups("")
        pairs = _FIELD.findall(lines)
        fields = {_key(name): value for name, value in pairs}
        length = fields.get("CONTENT_LENGTH", "0")
        if not (
            len(target) <= MOST_TARGET
            and len(fields) == len(pairs) <= MOST_FIELDS  # none stands twice
            and self._unusual.isdisjoint(fields)
            and _LENGTH.fullmatch(length)
            and len(data) == end + int(length)
        ):
            return None
        return {
            **connection, **fields, "REQUEST_METHOD": method, "RAW_URI": target, "PATH_INFO": path,
            "QUERY_STRING": query, "wsgi.input": io.BytesIO(data[end:]),
        }  # fmt: skip


@lru_cache(512)
def _key(name: str) -> str:
    """Return the name of a header as WSGI spells it."""
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
