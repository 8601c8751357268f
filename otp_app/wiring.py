"""The one place that names all parts: build(settings) -> Services."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from otp_app import keyring
from otp_app.channels import open_channels
from otp_app.clock import system_clock
from otp_app.core.codes import Names
from otp_app.core.errors import StoreUnavailable
from otp_app.core.idempotency import IdempotentSends
from otp_app.core.interfaces import Channel, Clock, Directory, Store
from otp_app.core.message import Texts
from otp_app.core.policy import Policy
from otp_app.core.service import FixedCode, VerificationService
from otp_app.directory import open_directory
from otp_app.logs import log, log_event
from otp_app.settings import Settings
from otp_app.store import open_or_memory, open_store

USERS_TEXT = "Your verification code is: {code}. This code expires in {minutes} minutes."
SWEEP_EVERY, SWEEP_AT_MOST = 30.0, 1000  # seconds, entries


@dataclass(frozen=True)
class Services:
    """What faces work with."""

    settings: Settings
    verifications: VerificationService
    users: VerificationService  # the same one, with the figures and words of the users face
    directory: Directory
    idempotent: IdempotentSends
    store: Store
    channels: Sequence[Channel]
    sweeper: Sweeper

    def close(self) -> None:
        """Give everything back; what was answered is kept."""
        self.sweeper.stop()
        for channel in self.channels:
            channel.close()
        self.directory.close()
        self.store.close()


def build(settings: Settings, clock: Clock | None = None) -> Services:
    """Return the services that these settings describe. Raises ValueError, BadKeyFile, StoreUnavailable."""
    clock = clock or system_clock()
    keyring.ensure(settings)
    keys, index_key = keyring.keys(settings)
    store, channels = _store(settings), open_channels(settings)
    verifications = VerificationService(
        store,
        channels,
        policy=policy(settings),
        keys=keys,
        names=Names(index_key, secrets.token_bytes),
        texts=texts(settings),
        clock=clock,
        countries=settings.otp_countries,
        test_numbers={test.phone: FixedCode(test.code, test.ends) for test in settings.otp_test_numbers},
        listeners=[log_event],
    )
    users = verifications.under(users_policy(settings), texts(settings, default=USERS_TEXT))
    directory = open_directory(settings.otp_directory_url) if settings.otp_directory_url else NoDirectory()
    idempotent, sweeper = IdempotentSends(store, clock), Sweeper(store)
    return Services(settings, verifications, users, directory, idempotent, store, channels, sweeper)


def policy(settings: Settings) -> Policy:
    """Return the rules' numbers as the operator set them."""
    return Policy(
        ttl=settings.otp_ttl,
        length=settings.otp_code_length,
        raised_length=settings.otp_code_length_raised,
        max_attempts=settings.otp_max_attempts,
        gaps=settings.otp_resend_gaps,
        sends_per_hour=settings.otp_sends_per_hour,
        sends_per_day=settings.otp_sends_per_day,
        keyed_reserve=settings.otp_keyed_reserve,
        cool_downs=settings.otp_cool_downs,
        risk_raise=settings.otp_risk_raise,
        risk_lower=settings.otp_risk_lower,
        new_code_on_resend=settings.otp_resend_new_code,
    )


def _store(settings: Settings) -> Store:
    if not settings.otp_store_fallback:
        return open_store(settings.otp_store_url)
    store, away = open_or_memory(settings.otp_store_url)
    if away:
        log.warning("OTP_STORE_URL: %s", away)
    return store


def users_policy(settings: Settings) -> Policy:
    """Return the figures of the users face: three guesses, and how a verification ended is told once."""
    usual = policy(settings)
    return replace(usual, face_attempts=3, tells_end_once=True)


def texts(settings: Settings, default: str = "") -> Texts:
    """Return the words of messages; `default` is a face's own for where the operator chose none."""
    chosen = "otp_message" in settings.model_fields_set or not default
    message = settings.otp_message if chosen else default
    return Texts(message, settings.otp_messages, settings.otp_app_name, settings.otp_origin)


class NoDirectory:
    """Knows nobody: no face that is served needs one."""

    def phone(self, user_id: str) -> str | None:
        """Return None."""
        del user_id
        return None

    def close(self) -> None:
        """There is nothing to give up."""


class Sweeper:
    """Deletes what is over in small batches, off the requests."""

    def __init__(self, store: Store) -> None:
        self._store, self._end = store, threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        pause = SWEEP_EVERY
        while not self._end.wait(pause):
            try:
                gone = self._store.sweep(SWEEP_AT_MOST)
            except StoreUnavailable as error:
                log.warning("sweep: %s", error)
                gone = 0
            pause = SWEEP_EVERY if gone < SWEEP_AT_MOST else 0.1
