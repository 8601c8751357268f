"""Everything that `doctor` looks at: the settings as `check` does, then this machine, then what others answer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from otp_app import apis, channels, startup
from otp_app.connections.probe import Answer, Unreachable, ask
from otp_app.core.errors import OtpError
from otp_app.settings import Settings, keyring
from otp_app.settings.diagnosis import Diagnosis, State, of_line
from otp_app.settings.exposure import is_open
from otp_app.startup import BadSettings, history, listening
from otp_app.startup.reader import READER
from otp_app.version import __version__
from otp_app.web.client import REQUEST_ID
from otp_app.web.guard import is_trusted

FULL = 100 * 2**20  # bytes free; below them a database and its log soon find no room
SCARCE = 2**30


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def examine(
    environ: Mapping[str, str] | None = None, free_bytes: Callable[[Path], int] = _free
) -> Iterator[Diagnosis]:
    """Yield what is found, a thing at a time: some of them wait for other servers, for up to ten seconds each.

    Nothing is made, no record is changed and no message is sent. `environ`: in place of this process's environment.
    """
    try:
        settings = startup.load(environ)
    except BadSettings as error:
        yield from (of_line(line, State.FAULT) for line in error.faults)
        why = "nothing else can be told before the settings are in order"
        yield Diagnosis("Everything else", State.NOT_CHECKED, why, "fix them and run this again")
        return
    yield _settings(environ)
    yield from (of_line(line, State.FAULT) for line in unfinished(settings))
    yield from (of_line(line, State.ADVICE) for line in startup.advice(settings))
    yield from _store(settings)
    yield from history.examine(settings)
    yield from _disk(settings, free_bytes)
    yield from _port(settings)
    yield from _proxy(settings)
    yield from (of_line(line, State.FAULT) for line in startup.unreachable(settings))
    served = apis.known(apis.served(settings))
    for api in served:
        yield from api.examine(settings)
    yield from channels.examine(settings, [used for api in served for used in api.templates(settings)])


def _settings(environ: Mapping[str, str] | None) -> Diagnosis:
    """Say that they can be used. Where there are none, this may be another folder than the server's."""
    about = "Settings"
    if READER.texts(environ)[0] or READER.sets_something():
        return Diagnosis(about, State.OK, "they can be used")
    why = "none is set, in the environment or in .env of this folder, so everything has its default"
    return Diagnosis(about, State.ADVICE, why, "if your server has settings, run this with them: docs/run.md")


def unfinished(settings: Settings) -> list[str]:
    """Return a line for a `.env` that other users can read, and for each placeholder that was not replaced."""
    env = Path(".env")
    is_shared = env.exists() and env.stat().st_mode & 0o077
    lines = [f"{env}: other users can read this file: chmod 600 {env}"] if is_shared else []
    names = [name for model in settings.providers for name in model.placeholders]
    return lines + [f"{name}: this is a placeholder: copy the value from your provider's console" for name in names]


def _store(settings: Settings) -> Iterator[Diagnosis]:
    """Open the store as a start would, which writes to it; one that a first start makes is not there yet."""
    about = "Store"
    try:
        lines = startup.look(settings)
    except BadSettings as error:
        yield from (of_line(line, State.FAULT) for line in error.faults)
        return
    except OtpError as error:
        yield Diagnosis(about, State.FAULT, str(error), "fix it, or name another with OTP_STORE_URL: docs/stores.md")
        return
    yield from (of_line(line, State.ADVICE) for line in lines)
    file = keyring.database(settings.otp_store_url)
    if file and not keyring.exists(file):
        yield Diagnosis(about, State.OK, f"the first start makes {file}")
    elif settings.otp_store_url.startswith("memory:"):
        why = "it is in memory: a restart forgets codes, attempts and limits"
        yield Diagnosis(about, State.ADVICE, why, "set OTP_STORE_URL=sqlite:///var/otp.db")
    else:
        yield Diagnosis(about, State.OK, "it can be written")


def _disk(settings: Settings, free_bytes: Callable[[Path], int]) -> Iterator[Diagnosis]:
    file = keyring.database(settings.otp_store_url)
    if file is None:
        return
    folder = next(parent for parent in file.absolute().parents if parent.exists())
    free = free_bytes(folder)
    room, remedy = f"{free / 2**20:,.0f} MiB are free for {file}", "delete files there, or move the database"
    if free < FULL:
        yield Diagnosis("Disk", State.FAULT, f"only {room}", remedy)
    else:
        yield Diagnosis("Disk", State.ADVICE if free < SCARCE else State.OK, room, remedy if free < SCARCE else "")


def _port(settings: Settings) -> Iterator[Diagnosis]:
    """Say who listens at HOST and PORT: nobody, this server, or another program."""
    line = listening.why_not(settings.host, settings.port)
    if line is None:
        yield Diagnosis("PORT", State.OK, f"{settings.port} is free: no server runs there", _ITS_PORT)
        return
    if not line.startswith("PORT:"):  # nobody can: a port below 1024, or an address of another machine
        yield of_line(line, State.FAULT)
        return
    try:
        answer = ask("GET", f"{listening.url_of(settings.host, settings.port)}/")
    except Unreachable as error:
        yield Diagnosis("PORT", State.FAULT, f"what listens at {settings.port} does not answer ({error})", _OTHER_PORT)
        return
    version = _version(answer)
    if version is None:
        yield Diagnosis("PORT", State.FAULT, f"{settings.port} is in use by another program", _OTHER_PORT)
    elif version not in ("", __version__):
        why = f"the server that answers at {settings.port} is of version {version}, and this is {__version__}"
        yield Diagnosis("PORT", State.ADVICE, why, "restart it after an upgrade: docs/upgrade.md")
    else:
        yield Diagnosis("PORT", State.OK, f"the server answers at {settings.port}")


def _version(answer: Answer) -> str | None:
    """Return the version that a server of otp_app says, "" where it rejects us; None from another program."""
    try:
        said = json.loads(answer.text)
    except (ValueError, RecursionError):
        return None
    if isinstance(said, dict) and said.get("name") == "otp_app":
        return str(said.get("version", ""))
    return "" if answer.error_type and REQUEST_ID in answer.headers else None


_OTHER_PORT = "stop that program, or set another PORT"
_ITS_PORT = "if yours runs elsewhere, run this with its HOST and PORT too"


def _proxy(settings: Settings) -> Iterator[Diagnosis]:
    """Say whether clients are told apart behind the proxy that must be there, since this server speaks no TLS."""
    about, public = "OTP_TRUSTED_PROXIES", urlsplit(settings.otp_public_url)
    if settings.otp_trusted_hosts and public.hostname and not is_trusted(public.hostname, settings.otp_trusted_hosts):
        why = f"it does not have {public.hostname}, the host of OTP_PUBLIC_URL: receipts are taken there, nothing else"
        yield Diagnosis("OTP_TRUSTED_HOSTS", State.ADVICE, why, "add it, if callers use that name")
    if public.scheme != "https" or not is_open(settings):
        return
    if settings.otp_trusted_proxies:
        yield Diagnosis(about, State.OK, "the addresses of clients are read from X-Forwarded-For")
        return
    why = "OTP_PUBLIC_URL is https, so a proxy is in front, and all clients have its address: they share its limits"
    yield Diagnosis(about, State.FAULT, why, "set the proxy's address, such as OTP_TRUSTED_PROXIES=127.0.0.1")
