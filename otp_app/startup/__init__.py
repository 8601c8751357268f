"""The start: unsafe settings are rejected, keys are made, the store is tried."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from secrets import token_bytes

from msgspec.structs import replace

from otp_app import apis, channels
from otp_app.core.codes import LedgerIds
from otp_app.core.errors import StoreUnavailable
from otp_app.core.limits import yearly_chance
from otp_app.core.moving import Movable
from otp_app.core.store import ServerChecks, Store
from otp_app.maintenance.records import owners
from otp_app.monitoring.tracing import switch
from otp_app.settings import Settings, keyring, policy
from otp_app.settings.exposure import is_open
from otp_app.settings.model import fields_of
from otp_app.startup import history, lengths
from otp_app.startup.fallback import settle
from otp_app.startup.reader import READER, read
from otp_app.startup.rules import RULES, secret_faults
from otp_app.stores import open_store

NO_PROXY = (
    "OTP_API_KEYS: not set, so this server answers every request from this machine: set API keys before a proxy runs "
    "here, because some proxies send no header that reveals them (nginx 1.29.7 and later with its defaults)"
)

UNTOLD = "OTP_EVENTS_SECRETS: they do nothing without OTP_EVENTS_URL: nobody is told of events: set it, or remove these"
MOST_CHANCE = 1e-3
GUESSING = (
    "OTP_CODE_LENGTH_RAISED: with these values, an attacker who tries codes of one number for a year succeeds with a "
    "probability of up to {chance:.2g}: for less than 0.001 set longer codes, or lower OTP_MAX_ATTEMPTS, "
    "OTP_SENDS_PER_DAY or OTP_RISK_RAISE"
)

OTHER_KEYS = (
    "OTP_INDEX_KEY: the store has records of another key, so limits of numbers would begin anew: use the keys that it "
    "was used with, or empty it, which ends all codes and limits"
)
SOME_OTHER_KEYS = (
    "OTP_INDEX_KEY: some records in the store are of another key: give all its servers the same keys, or their limits "
    "of numbers add up; records of a key that is not used any more go by themselves within 31 days"
)


class BadSettings(Exception):
    """Settings that are not fit to run with. `faults` has one line for each, which says what to change."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def load(environ: Mapping[str, str] | None = None, folder: Path | None = None, command: str = "") -> Settings:
    """Return settings that are fit to run with: the HTTP server, or an API that is a command, by its name.

    Raises BadSettings with every fault at once.
    """
    settings, faults = read(environ, folder)
    lines = [f"{variable}: {line}" for variable, text in faults.items() for line in text.splitlines()]
    if ".env" in faults:  # what its faulty lines would have set is not known, so neither is what goes together
        raise BadSettings(lines)
    faulty = {variable.removesuffix("_FILE") for variable in faults}
    checkable = [rule for rule in RULES if not faulty & set(rule.variables)]
    lines += [line for rule in checkable for line in (rule.fault(settings) or "").splitlines()]
    if command:
        settings = replace(settings, otp_apis=(command,))
    own = [line for api in apis.known(_concerned(settings)) for line in api.faults(settings)]
    own += channels.faults(settings) if "OTP_CHANNELS" not in faulty else []
    lines += [line for line in own if not any(variable in line for variable in faulty)]
    lines += filter(None, [switch.fault(os.environ if environ is None else environ)])
    if lines := lines or channels.unopened(settings):
        raise BadSettings(lines)
    return settings


def prepare(settings: Settings) -> list[str]:
    """Do once, before workers fork, what they all rely on: make the keys, and see that the store can be used.

    Returns a line for everything about the store that could be better. Raises BadSettings, StoreUnavailable.
    """
    try:
        keyring.ensure(settings)
        own = not settings.otp_secret_keys  # load has looked at those of the settings
        if own and (faults := secret_faults(settings, *keyring.keys(settings))):
            raise BadSettings(faults)
    except keyring.BadKeyFile as error:
        raise BadSettings([str(error)]) from None
    with closing(open_store(settings.otp_store_url)) as store:
        if isinstance(store, Movable) and (frozen := store.frozen()):
            raise StoreUnavailable(frozen.message)
        store.ping()
        if faults := _readable_by_others(settings) + history.file_faults(settings):
            raise BadSettings(faults)
        lines = keyring.unused(settings) + _other_keys(settings, store)
        if not isinstance(store, ServerChecks):
            return lines
        if faults := store.faults():
            raise BadSettings([f"OTP_STORE_URL: {line}" for line in faults])
        return lines + [f"OTP_STORE_URL: {line}" for line in store.advice()]


def look(settings: Settings) -> list[str]:
    """Return and raise what `prepare` does, and make nothing: of what is not there yet only the place is looked at."""
    file = keyring.database(settings.otp_store_url)
    try:
        if file is None or keyring.exists(file):
            settings, lines = settle(settings)
            return lines + prepare(settings)
        faults = [fault] if (fault := keyring.folder_fault(file)) else _remains(file) + history.file_faults(settings)
        if keyring.exists(file.with_suffix(".keys")):
            faults += secret_faults(settings, *keyring.keys(settings))
    except keyring.BadKeyFile as error:
        raise BadSettings([str(error)]) from None
    if faults:
        raise BadSettings(faults)
    return []


def _remains(file: Path) -> list[str]:
    """Return a line for each thing that a start would not take for the place of a new database."""
    log = file.with_name(f"{file.name}-wal")
    gone = [f"OTP_STORE_URL: {file} is gone, but {log} is not: put it back, or delete both"]
    links = [path for path in (file, file.with_suffix(".keys")) if keyring.lacks_target(path)]
    lines = [f"OTP_STORE_URL: {path} {history.NO_TARGET}" for path in links]
    return lines + gone * keyring.exists(log)


def _readable_by_others(settings: Settings) -> list[str]:
    file = keyring.database(settings.otp_store_url)
    files = [file, file.with_name(f"{file.stem}-counters{file.suffix}")] if file else []
    return [
        f"OTP_STORE_URL: others can read the database: chmod 600 {found}"
        for found in files
        if found.exists() and found.stat().st_mode & 0o077
    ]


def _other_keys(settings: Settings, store: Store) -> list[str]:
    """Return a line where records are not of these keys. Raises BadSettings where none is.

    Where some are, a refusal would stop the server that has the right keys, too.
    """
    if not isinstance(store, Movable):
        return []
    own, others = owners(store, LedgerIds(keyring.keys(settings)[1], token_bytes))
    if others and not own:
        raise BadSettings([OTHER_KEYS])
    return [SOME_OTHER_KEYS] if others else []


def _concerned(settings: Settings) -> list[str]:
    """Return the APIs that are served, and those whose settings are given all the same."""
    return sorted({*apis.served(settings), *(name for name, model in settings.apis.items() if model != type(model)())})


def unreachable(settings: Settings) -> list[str]:
    """Return a line for each thing that APIs need and that cannot be reached at the moment."""
    return [line for api in apis.known(settings.otp_apis) for line in api.unreachable(settings)]


def prepare_apis(settings: Settings) -> None:
    """Let APIs make what they need; what cannot be made is among the unreachable."""
    for api in apis.known(settings.otp_apis):
        api.prepare(settings)


def advice(settings: Settings) -> list[str]:
    """Return a line for everything that works and could be better."""
    by_http, served = apis.APIS.keys() >= set(settings.otp_apis), apis.served(settings)
    without_api = [
        f"{found.variable}: it does nothing while {apis.unserved(name)}"
        for name, model in settings.apis.items()
        if by_http and name not in served
        for found in fields_of(type(model))
        if getattr(model, found.name) != found.default and not found.setting.always
    ]
    of_apis = [line for api in apis.known(served) for line in api.advice(settings)]
    return _proxies(settings) + without_api + of_apis + lengths.advice(settings) + common_advice(settings)


def common_advice(settings: Settings) -> list[str]:
    """Return those lines that concern workers too."""
    own = _guessing(settings) + _untold(settings)
    return READER.unknown_names() + READER.overridden() + own + channels.advice(settings)


def _guessing(settings: Settings) -> list[str]:
    """Each figure alone is allowed, but together they may leave guessing without a bound."""
    chance = yearly_chance(policy.numbers(settings))
    return [] if chance < MOST_CHANCE else [GUESSING.format(chance=chance)]


def _untold(settings: Settings) -> list[str]:
    return [UNTOLD] if settings.otp_events_secrets and not settings.otp_events_url else []


def _proxies(settings: Settings) -> list[str]:
    """Some proxies look like a program on this machine: see docs/decisions/0027."""
    return [] if is_open(settings) else [NO_PROXY]
