"""Why the server does not start: settings that are unsafe together, or that name what is not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from otp_app import channels
from otp_app.apis import APIS, COMMANDS
from otp_app.connections import tls
from otp_app.core.codes import CodeKeys, parse_keys, parse_secret
from otp_app.plugins.guarded import check_callable
from otp_app.plugins.loading import load_object
from otp_app.proof import parse_proof_keys
from otp_app.settings import Settings, keyring, weak_secrets
from otp_app.settings.exposure import callers_variable, is_loopback, is_open
from otp_app.settings.model import Field, Model, fields_of
from otp_app.startup import history
from otp_app.stores import keeps_jobs, sharing


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason not to start: the variables it speaks of, and the line to show (None: nothing to say)."""

    variables: tuple[str, ...]
    fault: Callable[[Settings], str | None]


def bound(settings: Settings, address: object) -> str | None:
    """Return why the server must not listen at an address (as a socket returns its name), or None.

    The number of an inherited socket, whose name is not known yet, is no reason.
    """
    if isinstance(address, str | bytes):
        if "unix" in settings.otp_trusted_proxies:
            return None
        return (
            "OTP_TRUSTED_PROXIES: behind a Unix socket no client has an address: set it to unix, and let the proxy "
            "write X-Forwarded-For"
        )
    if not isinstance(address, tuple) or is_loopback(address[0]) or is_open(settings):
        return None
    return f"{address[0]} can be reached from elsewhere: bind 127.0.0.1, or set OTP_API_KEYS or OTP_PUBLIC=1"


def _bind(settings: Settings) -> str | None:
    if is_loopback(settings.host) or is_open(settings):
        return None
    keys = "OTP_API_KEYS (python -m otp_app keys new NAME), or OTP_PUBLIC=1 if browsers call directly"
    return f"HOST: the address can be reached from elsewhere: set {callers_variable(settings) or keys}"


def _proxy(settings: Settings) -> str | None:
    if not settings.otp_trusted_proxies or is_open(settings):
        return None
    return "OTP_TRUSTED_PROXIES: behind a proxy everybody can call: set OTP_API_KEYS, or OTP_PUBLIC=1"


def _public(settings: Settings) -> str | None:
    if not settings.otp_public or settings.otp_countries:
        return None
    return "OTP_COUNTRIES: OTP_PUBLIC=1 needs the list of countries to send to, such as OTP_COUNTRIES=US,IN"


def _console(settings: Settings) -> str | None:
    if "console" not in settings.otp_channels or not is_open(settings):
        return None
    return (
        "OTP_CHANNELS: console shows codes on the server's screen, so it is only for a server without OTP_API_KEYS and "
        "OTP_PUBLIC: set whatsapp or sms, or remove these"
    )


def needs_one_process(settings: Settings) -> bool:
    """Return whether each further process would count for itself: for codes, attempts and limits."""
    return bool(settings.otp_store_fallback) or _sharing(settings) == "process"


def _workers(settings: Settings) -> str | None:
    if settings.web_concurrency == 1 or _sharing(settings) != "process":
        return None
    return "WEB_CONCURRENCY: the memory store cannot be shared: set it to 1, or OTP_STORE_URL=sqlite:///var/otp.db"


def _apis(settings: Settings) -> str | None:
    if set(settings.otp_apis) <= APIS.keys() and len(set(settings.otp_apis)) == len(settings.otp_apis):
        return None
    commands = [f"; {name} is served by python -m otp_app {name}" for name in settings.otp_apis if name in COMMANDS]
    return f"OTP_APIS: name some of {', '.join(APIS)}, each once{''.join(commands)}"


def _on_approved(settings: Settings) -> str | None:
    try:
        if settings.otp_on_approved:
            check_callable(load_object(settings.otp_on_approved, "function"), settings.otp_on_approved, arguments=1)
    except ValueError as error:
        return f"OTP_ON_APPROVED: {error}"
    return None


def _proof_keys(settings: Settings) -> str | None:
    return _fault(parse_proof_keys, settings.otp_proof_keys, "OTP_PROOF_KEYS")


def secret_faults(settings: Settings, keys: CodeKeys | None = None, index_key: bytes = b"") -> list[str]:
    """Return a line for each key that is no secret or has a second purpose; keys of a file are given beside."""
    try:
        keys = keys or (parse_keys(settings.otp_secret_keys) if settings.otp_secret_keys else None)
        index_key = index_key or (parse_secret(settings.otp_index_key) if settings.otp_index_key else b"")
        proofs = parse_proof_keys(settings.otp_proof_keys) if settings.otp_proof_keys else ()
    except ValueError:
        return []  # said where each is looked at alone
    roles = [("OTP_SECRET_KEYS", secret) for secret in (keys.keys.values() if keys else ())]
    roles += [("OTP_INDEX_KEY", index_key)] if index_key else []
    roles += [("OTP_EVENTS_SECRETS", secret) for secret in settings.otp_events_secrets]
    return weak_secrets.faults(roles + [("OTP_PROOF_KEYS", key.secret) for key in proofs])


def _secrets(settings: Settings) -> str | None:
    return "\n".join(secret_faults(settings)) or None


def _secrets_of(model: type[Model]) -> list[Field]:
    return [found for found in fields_of(model) if found.setting.secret]


def _placeholders(settings: Settings) -> str | None:
    secrets = ((model, secret) for model in settings.providers for secret in _secrets_of(type(model)))
    found = [secret.variable for model, secret in secrets if _has_placeholder(getattr(model, secret.name))]
    return f"{', '.join(found)}: it is a placeholder: write the secret that the provider shows" if found else None


def _has_placeholder(text: str) -> bool:
    """Return whether a secret, or one of a list of `ID:SECRET`, is a placeholder."""
    parts = (item.rpartition(":")[2] for item in text.split(","))
    return weak_secrets.is_placeholder(text) or any(map(weak_secrets.is_placeholder, parts))


def _fallback(settings: Settings) -> str | None:
    if settings.web_concurrency == 1 or not settings.otp_store_fallback:
        return None
    return "OTP_STORE_FALLBACK: workers cannot share a store in memory: set WEB_CONCURRENCY=1, or leave this empty"


def _store(settings: Settings) -> str | None:
    try:
        sharing(settings.otp_store_url)
    except ValueError as error:
        return f"OTP_STORE_URL: {error}"
    return None


def _shared_keys(settings: Settings) -> str | None:
    have_keys = settings.otp_secret_keys and settings.otp_index_key
    if have_keys or keyring.makes_own(settings) or _sharing(settings) == "unknown":
        return None
    return keyring.NEEDED


def _secret_keys(settings: Settings) -> str | None:
    return _fault(parse_keys, settings.otp_secret_keys, "OTP_SECRET_KEYS")


def _index_key(settings: Settings) -> str | None:
    return _fault(parse_secret, settings.otp_index_key, "OTP_INDEX_KEY")


def _both_keys(settings: Settings) -> str | None:
    if bool(settings.otp_secret_keys) == bool(settings.otp_index_key):
        return None
    return "OTP_SECRET_KEYS, OTP_INDEX_KEY: set both or neither (python -m otp_app keys secret prints them)"


def _lengths(settings: Settings) -> str | None:
    if settings.otp_code_length_raised >= settings.otp_code_length:
        return None
    return "OTP_CODE_LENGTH_RAISED: a number under attack needs codes at least as long as OTP_CODE_LENGTH"


def _risk(settings: Settings) -> str | None:
    if settings.otp_risk_lower <= settings.otp_risk_raise:
        return None
    return "OTP_RISK_LOWER: must not be above OTP_RISK_RAISE"


def _test_numbers(settings: Settings) -> str | None:
    latest = datetime.now(UTC).date() + timedelta(days=30)
    if all(test.until <= latest for test in settings.otp_test_numbers):
        return None
    return "OTP_TEST_NUMBERS: the last day of a fixed code must be within 30 days from now"


def _sharing(settings: Settings) -> str:
    try:
        return sharing(settings.otp_store_url)
    except ValueError:
        return "unknown"


def _routes(settings: Settings) -> str | None:
    unknown = {name for route in settings.otp_routes.values() for name in route} - set(settings.otp_channels)
    return "OTP_ROUTES: a channel is not one of OTP_CHANNELS: add it there, or omit it here" if unknown else None


def _jobs(settings: Settings) -> str | None:
    if not settings.falls_back or _sharing(settings) == "unknown" or keeps_jobs(settings.otp_store_url):
        return None
    return (
        "OTP_STORE_URL: this store keeps no jobs, which the next channel needs after a message that did not arrive: "
        "use sqlite:///, redis:// or postgresql://, set one channel in OTP_CHANNELS, or leave OTP_PUBLIC_URL empty"
    )


def _events(settings: Settings) -> str | None:
    if not settings.otp_events_url:
        return None
    if not settings.otp_events_secrets:
        return "OTP_EVENTS_SECRETS: events are signed: set a secret (python -m otp_app keys events makes one)"
    if settings.otp_events_url.startswith("https:") and (fault := tls.fault()):
        return fault
    if _sharing(settings) == "unknown" or keeps_jobs(settings.otp_store_url):
        return None
    return "OTP_EVENTS_URL: this store keeps no jobs, which events need: use sqlite:///, redis:// or postgresql://"


def _fallback_after(settings: Settings) -> str | None:
    after = settings.otp_fallback_after
    if after and not settings.otp_public_url:
        return "OTP_FALLBACK_AFTER: only receipts tell what was delivered: set OTP_PUBLIC_URL, or leave this at 0"
    if after and len(settings.otp_channels) < 2:
        return "OTP_FALLBACK_AFTER: no channel can follow: set two in OTP_CHANNELS, or leave this at 0"
    if after >= settings.otp_ttl:
        return "OTP_FALLBACK_AFTER: the code has expired by then: set less than OTP_TTL"
    return None


def _amqp(settings: Settings) -> str | None:
    if not settings.otp_amqp_url:
        return None
    try:
        load_object("otp_app.bus.connecting:parameters", "setting")(settings.otp_amqp_url)
    except ValueError as error:
        return f"OTP_AMQP_URL: {error}"
    return None


def _amqp_store(settings: Settings) -> str | None:
    if not settings.otp_amqp_url or not needs_one_process(settings):
        return None
    return "OTP_AMQP_URL: workers cannot share the memory store: set OTP_STORE_URL=sqlite:///var/otp.db"


def _fault(parse: Callable[[str], object], text: str, variable: str) -> str | None:
    try:
        if text:
            parse(text)
    except ValueError as error:
        return f"{variable}: {error}"
    return None


#: what decides whether callers from elsewhere are meant to come: see is_open
OPEN = ("OTP_API_KEYS", "OTP_PUBLIC", "OTP_APIS", "OTP_VERIFY_ACCOUNTS")
RULES = (
    Rule(("HOST", *OPEN), _bind),
    Rule(("OTP_TRUSTED_PROXIES", *OPEN), _proxy),
    Rule(("OTP_COUNTRIES", "OTP_PUBLIC"), _public),
    Rule(("OTP_CHANNELS", *OPEN), _console),
    Rule(("OTP_APIS",), _apis),
    Rule(("OTP_ON_APPROVED",), _on_approved),
    Rule(("OTP_PROOF_KEYS",), _proof_keys),
    Rule(("OTP_STORE_URL",), _store),
    Rule(("OTP_STORE_FALLBACK", "WEB_CONCURRENCY"), _fallback),
    Rule(("WEB_CONCURRENCY", "OTP_STORE_URL"), _workers),
    Rule(("OTP_ROUTES", "OTP_CHANNELS"), _routes),
    Rule(("OTP_STORE_URL", "OTP_CHANNELS", "OTP_PUBLIC_URL"), _jobs),
    Rule(("OTP_FALLBACK_AFTER", "OTP_CHANNELS", "OTP_PUBLIC_URL", "OTP_TTL"), _fallback_after),
    Rule(("OTP_EVENTS_URL", "OTP_EVENTS_SECRETS", "OTP_STORE_URL"), _events),
    Rule(("OTP_HISTORY_URL", "OTP_STORE_URL"), history.fault),
    Rule(("OTP_AMQP_URL",), _amqp),
    Rule(("OTP_AMQP_URL", "OTP_STORE_URL", "OTP_STORE_FALLBACK"), _amqp_store),
    Rule(("OTP_SECRET_KEYS", "OTP_INDEX_KEY"), _shared_keys),
    Rule(("OTP_SECRET_KEYS",), _secret_keys),
    Rule(("OTP_INDEX_KEY",), _index_key),
    Rule(("OTP_SECRET_KEYS", "OTP_INDEX_KEY"), _both_keys),
    Rule(("OTP_SECRET_KEYS", "OTP_INDEX_KEY", "OTP_PROOF_KEYS", "OTP_EVENTS_SECRETS"), _secrets),
    Rule(tuple(secret.variable for model in channels.models() for secret in _secrets_of(model)), _placeholders),
    Rule(("OTP_CODE_LENGTH", "OTP_CODE_LENGTH_RAISED"), _lengths),
    Rule(("OTP_RISK_LOWER", "OTP_RISK_RAISE"), _risk),
    Rule(("OTP_TEST_NUMBERS",), _test_numbers),
)
