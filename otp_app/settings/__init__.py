"""The settings of the server: name, type, bounds, default and description of each, in one place.

A setting is an environment variable or a line of `.env` in the current folder (the environment wins); NAME_FILE names a
file to read it from. The attribute is the variable's name in lower case. `python -m otp_app.startup.reference` writes
`.env.example` and the tables of docs/settings.md from these classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from msgspec import Meta, field

from otp_app.plugins.loading import OBJECT_PATH
from otp_app.settings import types, webhooks
from otp_app.settings.model import AnyModel, ApiModel, Model, Setting
from otp_app.settings.types import ApiKey, FixedUntil, TrustedProxy, shape


class Settings(Model, frozen=True, kw_only=True):
    """What the operator chose. Every setting has a default that is safe on one machine."""

    foreign: ClassVar = frozenset({"OTP_CLI_KEY"})  # of the commands that ask a server

    host: Annotated[str, Setting(
        "Address to listen on.", group="Server", form="an address or a host name, without a port", read=types.bind_host,
    )] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535), Setting("Port to listen on.")] = 5000
    web_concurrency: Annotated[int, Meta(ge=1, le=64), Setting("Worker processes. One is right for one CPU.")] = 1
    otp_threads: Annotated[int, Meta(ge=1, le=2048), Setting(
        "Sends, with checks at Twilio Verify, that each worker handles at a time. One more gets 503; 32 further "
        "threads serve everything else.",
    )] = 256
    otp_apis: Annotated[tuple[str, ...], Setting(
        "APIs to serve, of those in the [README](../README.md#other-apis).",
        form="names of APIs, each once, with commas", read=types.names,
    )] = ("native",)

    otp_store_url: Annotated[str, Setting(
        "The [store](stores.md). A path after three slashes is relative to the folder of the start, after four "
        "absolute.", group="Storage",
        form="`sqlite:///file`, `memory://`, `redis://host:6379/0`, `postgresql://user:password@host/database` or "
        "`package.module:Class`", secret=True,
    )] = "sqlite:///var/otp.db"
    otp_store_fallback: Annotated[str, shape("memory"), Setting(
        "`memory`: start with an empty store in memory while the store is unavailable. For development with one "
        "worker: limits and used codes are forgotten. The next start or reload tries the store again. A server that "
        "started with its store never falls back.",
        form="`memory`, or nothing",
    )] = ""
    otp_secret_keys: Annotated[str, Setting(
        "Keys of codes: the first makes new codes, each checks its own. `python -m otp_app keys secret` prints both "
        "keys.", form="`k2:BASE64,k1:BASE64`, each of at least 32 bytes", default="from the key file", secret=True,
    )] = ""
    otp_index_key: Annotated[str, Setting(
        "Key that names the records of numbers and the ids of verifications. It must never change: a store with "
        "records of another one is rejected.", form="BASE64 of at least 32 bytes", default="from the key file",
        secret=True,
    )] = ""

    otp_channels: Annotated[tuple[str, ...], Setting(
        "[Channels](channels.md) in the order to try.", group="Delivery",
        form="`console`, `sms`, `whatsapp`, `twilio_verify`, `backend`, `package.module:Class`, each once",
        default="what Twilio's variables are set for: `twilio_verify` with `TWILIO_VERIFICATION_SERVICE_SID`, else "
        "`whatsapp` with `TWILIO_WHATSAPP_NUMBER`, `sms` with `TWILIO_PHONE_NUMBER` or a messaging service; `console` "
        "without any", read=types.channels,
    )] = ("console",)
    otp_routes: Annotated[dict[str, tuple[str, ...]], Setting(
        "[Channels](delivery.md#when-a-code-does-not-arrive) of countries that have an order of their own; "
        "`OTP_CHANNELS` is that of all others.",
        form="`IN:whatsapp,sms;US:sms`: ISO 3166 codes and channels of `OTP_CHANNELS`", default="not set: one order",
        read=types.routes,
    )] = field(default_factory=dict)
    otp_fallback_after: Annotated[float, Setting(
        "Seconds after which the next channel sends the same code, if Twilio has not reported the message as delivered "
        "([fallback](delivery.md#when-a-code-does-not-arrive)). 0: never.", form="0, or a number from 5 to 300",
        read=types.fallback_after,
    )] = 0
    otp_app_name: Annotated[str, Meta(max_length=40), Setting("The value of `{app}` in texts.")] = ""
    otp_message: Annotated[str, Meta(max_length=300), Setting(
        "Text of a message, in place of the [server's own](texts.md) in all languages. It may have `{app}` and "
        "`{minutes}`: what is left of the code's life, rounded down, with 5 seconds of grace and at least 1.",
        form="at most 300 characters, with `{code}`",
        default="`Your OTP is: {code}` and the same in [other languages](texts.md#languages); the users and Verify "
        "APIs have their own", read=types.template,
    )] = ""
    otp_messages: Annotated[dict[str, str], Setting(
        "Texts by language tag. The `locale` of a send [selects one](texts.md): its tag is shortened from the right "
        "until a text fits (`zh-Hant-TW`, `zh-Hant`, `zh`; RFC 4647). `pt_BR` is `pt-BR`, as Android writes "
        "`zh_TW_#Hant` and iOS `pt_BR@rg=ptzzzz`.",
        form='a JSON object, such as `{"es": "Tu código es: {code}"}`', read=types.templates,
    )] = field(default_factory=dict)
    otp_origin: Annotated[str, shape(r"[a-z0-9-]+(\.[a-z0-9-]+)*"), Setting(
        "Adds a blank line and the last line `@host #code`, by which browsers fill in the code on that host. Not in "
        "messages for an [Android app](texts.md#android-apps).",
        form="a host name such as `example.com`",
    )] = ""

    otp_app_hashes: Annotated[frozenset[str], Setting(
        "[Android apps](texts.md#android-apps) that callers without an API key can name as `app_hash`, with "
        "`OTP_PUBLIC=1`. Any other app could be on the phone of a victim.",
        form="hashes of 11 characters, such as `FA+9qCX9VSu`, with commas", read=types.app_hashes,
    )] = frozenset()

    otp_code_length: Annotated[int, Meta(ge=6, le=10), Setting(
        "Digits of a code.", group="Codes and limits per number",
    )] = 6
    otp_code_length_raised: Annotated[int, Meta(ge=6, le=10), Setting("Digits for a number under attack.")] = 8
    otp_ttl: Annotated[float, Meta(ge=60, le=600), Setting("Life of a code in seconds.")] = 300
    otp_max_attempts: Annotated[int, Meta(ge=1, le=10), Setting("Wrong codes that end a verification.")] = 5
    otp_resend_gaps: Annotated[tuple[float, ...], Setting(
        "Seconds between messages to one number. The last value repeats; empty: no gaps.",
        form="numbers above 0 and at most 86400, with commas", read=types.seconds, empty_is_none=True,
    )] = (30, 60, 120, 300)
    otp_sends_per_hour: Annotated[int, Meta(ge=0, le=50), Setting("Messages to one number per hour. 0: no limit.")] = 5
    otp_sends_per_day: Annotated[int, Meta(ge=0, le=50), Setting("The same per 24 hours.")] = 10
    otp_keyed_reserve: Annotated[int, Meta(ge=0, le=50), Setting(
        "Further messages per day, not per hour, for callers with an API key.",
    )] = 5
    otp_cool_downs: Annotated[tuple[float, ...], Setting(
        "Seconds without sends, for callers without an API key, after a verification ended by wrong codes. The last "
        "value repeats; empty: none.", form="numbers above 0 and at most 86400, with commas", read=types.seconds,
        empty_is_none=True,
    )] = (30, 60, 300, 900, 3600)
    otp_risk_raise: Annotated[float, Meta(gt=0, le=1e-3), Setting(
        "Sum of the chances of all wrong codes for a number in 30 days, from which its codes are longer.",
    )] = 40e-6
    otp_risk_lower: Annotated[float, Meta(gt=0, le=1e-3), Setting("Sum below which they are short again.")] = 20e-6
    otp_resend_new_code: Annotated[bool, Setting(
        "1: a resend sends a new code, and the old one stops working. The attempts left stay the same.",
    )] = False
    otp_check_by: Annotated[str, shape("any|id"), Setting(
        "`id`: a check needs the `verification_id` of its send. Not in the APIs connect, users and verify_v2, which "
        "strangers cannot use then.", form="`any` or `id`", guard=True,
    )] = "any"
    otp_test_numbers: Annotated[tuple[FixedUntil, ...], Setting(
        "Numbers with a fixed code of 6 to 10 digits, until the end of a day (UTC). They get no message and have no "
        "send limits and no cool-down after wrong codes: on a public server their codes can be guessed. After "
        "that day they are ordinary numbers.", form="`+15005550006=123456@DATE`, at most 30 days ahead",
        read=types.test_numbers,
    )] = ()

    otp_on_approved: Annotated[str, shape(OBJECT_PATH), Setting(
        "Function that is called with an `Approval` (`phone`, `purpose`, `verification_id`, `channel`, `at`) once "
        "after each approval, by any API. Its exceptions are logged and change nothing; the answer waits for it for "
        "at most 2 seconds.", group="Approvals", form="`package.module:function`",
    )] = ""
    otp_proof_keys: Annotated[str, Setting(
        "Keys of [proofs](proof.md). The first signs; `/.well-known/jwks.json` lists the public half of each EdDSA "
        "key. EdDSA needs `cryptography` (`requirements-eddsa.txt`). `python -m otp_app keys proof [--eddsa]` makes a "
        "key.",
        form="`p2:HS256:BASE64,p1:EdDSA:BASE64`: HS256 at least 32 bytes, EdDSA the 32 bytes of an Ed25519 seed",
        default="not set: no proofs", secret=True,
    )] = ""
    otp_proof_ttl: Annotated[float, Meta(ge=30, le=600), Setting("Life of a proof in whole seconds.")] = 120
    otp_proof_issuer: Annotated[str, shape(r"[\x21-\x7e]{1,100}"), Setting(
        "The `iss` of proofs. Give each server or environment its own, such as its URL.",
        form="up to 100 visible ASCII characters",
    )] = "otp_app"

    database_url: Annotated[str, Setting(
        "The database of [accounts](accounts.md), with the packages of `requirements-accounts.txt`. A path after three "
        "slashes is relative to the folder of the start, after four absolute.", group="Accounts",
        form="`sqlite:///file` or `postgresql://user:password@host/database`", secret=True,
    )] = "sqlite:///var/accounts.db"
    otp_session_ttl: Annotated[float, Meta(ge=300, le=31_536_000), Setting(
        "Life of a session in whole seconds; 2592000 are 30 days.",
    )] = 2_592_000
    otp_amqp_url: Annotated[str, Setting(
        "[RabbitMQ](rabbitmq.md), with `requirements-amqp.txt`: sign-ups ask workers for their codes. All servers and "
        "workers need one store.", form="`amqp://user:password@host:5672/%2F` or `amqps://`",
        default="not set: the server sends the codes itself", secret=True,
    )] = ""
    otp_amqp_quorum: Annotated[bool, Setting(
        "1: quorum queues, for a cluster of brokers. Delete queues of the other kind first.",
    )] = False
    otp_amqp_consumers: Annotated[int, Meta(ge=1, le=64), Setting(
        "Messages that a worker handles at a time, each on a connection of its own.",
    )] = 4
    otp_amqp_publish_code: Annotated[bool, Setting(
        "1: the code itself is in the messages of `otp_to_auth`, for receivers that check codes themselves. Everybody "
        "who can read that queue can then log in as anybody.",
    )] = False

    otp_api_keys: Annotated[tuple[ApiKey, ...], Setting(
        "Callers with an API key. `python -m otp_app keys new NAME` prints a line. The scopes are `send`, `verify`, "
        "`notify`, `metrics` for `/readyz` and `/metrics`, and `admin` for [`/operator`](operator.md). Without keys "
        "only requests straight from this machine are answered. Set keys before you put a proxy in front: nginx from "
        "1.29.7 on and HAProxy send, by default, no header that reveals them.",
        group="Access", form="`name:scope+scope:sha256hex`", read=types.api_keys, secret=True, guard=True,
    )] = ()
    otp_public: Annotated[bool, Setting(
        "1: browsers may send and check without a key. The status of a verification, and canceling it, need a key.",
    )] = False
    otp_countries: Annotated[frozenset[str], Setting(
        "Countries that messages are sent to. AX, BL, CC, CX, EH, IM, MF, SJ and VA are rejected: their mobile "
        "numbers count as those of FI, GP, AU, AU, MA, GB, GP, NO and IT.",
        form="ISO 3166 codes such as `US,IN`, or `all`", default="not set: all countries", read=types.countries,
        guard=True,
    )] = frozenset()
    otp_client_limits: Annotated[str, Setting(
        "Sends and resends of one address without an API key. Empty: no limit.", form="flask-limiter's notation",
        read=types.rate_limits, empty_is_none=True,
    )] = "20/hour;60/day"
    otp_check_limits: Annotated[str, Setting(
        "Checks of one address without an API key. Empty: no limit.", form="flask-limiter's notation",
        read=types.rate_limits, empty_is_none=True,
    )] = "60/10minutes"
    otp_trusted_proxies: Annotated[tuple[TrustedProxy, ...], Setting(
        "Proxies whose `X-Forwarded-For` is believed; `Forwarded` (RFC 7239) is not read. All clients whose "
        "entry cannot be read count as one client, `unknown`. Under granian or uvicorn, which do not tell "
        "`X_Forwarded_For` apart, the proxy has to drop headers with `_`, as nginx does.",
        form="addresses or networks, such as `127.0.0.1,10.0.0.0/8`, and `unix` for the peer of a Unix socket",
        read=types.proxies,
    )] = ()
    otp_trusted_hosts: Annotated[tuple[str, ...], Setting(
        "`Host` headers that are served. Empty on a server without `OTP_API_KEYS` and `OTP_PUBLIC`: loopback and "
        "`HOST`.", form="host names without a port; `.example.com` for all below it", default="not set: any",
        read=types.hosts, guard=True,
    )] = ()

    otp_public_url: Annotated[str, Setting(
        "Address under which Twilio reaches this server. Twilio then reports there what became of each message "
        "([receipts](delivery.md)).", group="Receipts", read=types.public_url,
        form="`https://HOST` or `https://HOST/PREFIX`; `http://` on this machine",
    )] = ""

    otp_inbound_sms: Annotated[bool, Setting(
        "1: with the API `inbound`, an SMS that comes in [proves](inbound.md) the number of its sender, as a WhatsApp "
        "message does. Senders of SMS can be forged.", group="Inbound messages",
    )] = False

    otp_events_url: Annotated[str, Setting(
        "Address that is told of [events](events.md): what became of messages and verifications.", group="Events",
        form="`https://HOST/PATH`; `http://` on this machine", default="not set: nobody is told", read=webhooks.url,
        secret=True,
    )] = ""
    otp_events_secrets: Annotated[tuple[bytes, ...], Setting(
        "Secrets that sign events. Each event is signed with all of them, so that the receiver can change secrets. "
        "`python -m otp_app keys events` makes one.", form="`whsec_BASE64` of 24 to 64 bytes, several with commas",
        read=webhooks.secrets, secret=True,
    )] = ()
    otp_events_numbers: Annotated[str, shape("masked|whole"), Setting(
        "`whole`: events have the whole number in `to`.", form="`masked` or `whole`",
    )] = "masked"

    otp_history_url: Annotated[str, Setting(
        "The [history](history.md) of what has ended, for `stats`. Servers that share a Redis store need one database "
        "for all.", group="History",
        form="`sqlite:///file`, `postgresql://user:password@host/database` or `off`",
        default="not set: `otp-history.db` beside a SQLite store `otp.db`, the database of a PostgreSQL store, or else "
        "off", secret=True,
    )] = ""
    otp_retention_days: Annotated[int, Meta(ge=1, le=3650), Setting("Days for which the history keeps its rows.")] = 90

    otp_metrics_port: Annotated[int, Meta(ge=0, le=65535), Setting(
        "Port at which `python -m otp_app grpc` or `worker` serves "
        "[its own `/metrics`](metrics.md#grpc-and-rabbitmq-workers). Each process on a machine needs its own. 0: none.",
        group="Metrics of gRPC and workers",
    )] = 0
    otp_metrics_host: Annotated[str, Setting(
        "The address for it. Beyond loopback it needs `OTP_API_KEYS`.",
        form="an address or a host name, without a port", read=types.bind_host,
    )] = "127.0.0.1"

    otp_log_level: Annotated[str, shape("DEBUG|INFO|WARNING|ERROR"), Setting(
        "Lowest level that is logged. Wrong codes are `DEBUG`.", group="Logging",
        form="`DEBUG`, `INFO`, `WARNING` or `ERROR`",
    )] = "INFO"
    otp_log_format: Annotated[str, shape("text|json"), Setting(
        "Form of the lines of the [log](run.md#logs).", form="`text` or `json`",
        default="`text` on a terminal, else `json`",
    )] = ""

    apis: Mapping[str, ApiModel] = field(default_factory=dict)  # the settings of each API that has some, by its name
    providers: tuple[Model, ...] = ()  # the settings of each provider that channels have some of

    @property
    def is_measured(self) -> bool:
        """Whether anything is counted: metrics are an API, and only a server with it has readers of them."""
        return "metrics" in self.otp_apis

    @property
    def falls_back(self) -> bool:
        """Whether a message that did not arrive is followed by another channel."""
        return bool(self.otp_public_url) and len(self.otp_channels) > 1

    def of(self, model: type[AnyModel]) -> AnyModel:
        """Return the settings of an API or of a provider; those that were not read are its defaults."""
        found = (part for part in (*self.apis.values(), *self.providers) if isinstance(part, model))
        return next(found, None) or model()
