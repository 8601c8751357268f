"""What a reload may not do: open a server that has callers, or leave a caller in that the settings no longer name.

The master of a server with several processes decides here, and hands its workers the settings that it has accepted: a
worker that is replaced later must not read settings that were rejected since.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec.structs import replace

from otp_app.settings import Settings
from otp_app.settings.exposure import callers_variable, is_open
from otp_app.settings.types import ApiKey, api_key
from otp_app.startup.reader import READER, read
from otp_app.startup.rules import needs_one_process

NO_DIGEST = ""  # of a caller whose secret is not accepted any more: no secret has it
NOBODY = ApiKey("", frozenset(), NO_DIGEST)

log = logging.getLogger(__name__)

_accepted: Settings | None = None
_offered: Settings | None = None
_with_file = False  # whether `.env` has set something since the start


def accept(settings: Settings, folder: Path | None = None) -> None:
    """Hand these settings to the workers that are forked from now on."""
    global _accepted, _with_file
    _accepted, _with_file = settings, _with_file or READER.sets_something(folder)


def accepted() -> Settings | None:
    """Return what the process before the fork has accepted, None where there was none."""
    return _accepted


def offer(settings: Settings) -> None:
    """Let a reload go on with these settings, which were checked, and not with what it would find a moment later."""
    global _offered
    _offered = settings


def offered() -> Settings | None:
    """Return what the reload under way was offered, once; None where there is none."""
    global _offered
    found, _offered = _offered, None
    return found


def faults(running: Settings, new: Settings, folder: Path | None = None) -> list[str]:
    """Return a line for each reason against settings that are fit for a start, but not for the server that runs.

    They would open it, have lost `.env` (what it restricted is not known any more), move it (gunicorn would close its
    sockets first, and end where it cannot open the new ones), or give it a store for one process, when it may have been
    started with several or get more by a signal.
    """
    found = []
    if is_open(running) and not is_open(new):
        variable = callers_variable(running).partition(" ")[0] or "OTP_API_KEYS"
        found.append(f"{variable}: none is left, so no caller may call; a server without keys takes a restart")
    if _with_file and not READER.sets_something(folder):
        found.append(".env: it is missing or sets nothing, and had settings before: put it back, or restart")
    if (running.host, running.port) != (new.host, new.port):
        found.append("HOST, PORT: another address takes a restart")
    if needs_one_process(new) and not needs_one_process(running):
        found.append("OTP_STORE_URL: a store for one process instead needs a restart")
    for name, model in running.apis.items():
        found += model.reload_faults(new.of(type(model))) if name in new.apis else []
    return found


def narrowed(running: Settings, environ: Mapping[str, str] | None = None, folder: Path | None = None) -> Settings:
    """Return the running settings without the callers that the settings of this moment, good or not, do not name.

    What cannot be read names no caller; of a list with a faulty item the other items count.
    """
    try:
        given = READER.texts(environ, folder)[0]
        public = read(environ, folder)[0].otp_public
    except Exception:  # a defect, which must not keep a revoked caller in
        log.exception("unexpected error")
        given, public = {}, False
    keys = {(key.name, key.digest): key.scopes for key in _readable(given.get("otp_api_keys", ""))}
    found = replace(
        running,
        otp_api_keys=tuple(_still(key, keys.get((key.name, key.digest))) for key in running.otp_api_keys),
        otp_public=running.otp_public and public,
        apis={name: model.narrowed(given) for name, model in running.apis.items()},
    )
    if is_open(running) and not is_open(found):  # it must not be taken for one that never had callers
        return replace(found, otp_api_keys=(NOBODY,))
    return found


def revoked(before: Settings, after: Settings) -> list[str]:
    """Return the names of the callers that `narrowed` has taken scopes or everything from."""
    keys = zip(before.otp_api_keys, after.otp_api_keys, strict=False)
    names = [old.name for old, new in keys if old != new]
    for model in before.apis.values():
        names += model.revoked(after.of(type(model)))
    return names + (["callers without a key"] if before.otp_public and not after.otp_public else [])


def _still(key: ApiKey, scopes: frozenset[str] | None) -> ApiKey:
    if scopes is None:
        return dataclasses.replace(key, digest=NO_DIGEST, scopes=frozenset())
    return dataclasses.replace(key, scopes=key.scopes & scopes)


def _readable(text: str) -> Iterable[ApiKey]:
    for item in filter(None, map(str.strip, text.split(","))):
        try:
            yield api_key(item)
        except ValueError:
            continue  # the fault is reported where the settings are read
