"""The one place that names all parts: build(settings) -> Services."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from otp_app import profiles
from otp_app.apis.phone.session_tokens import SessionTokens
from otp_app.apis.users.directories import Directory, open_directory
from otp_app.apis.verify_v2.service_registry import VerifyService, VerifyServices
from otp_app.background.sweeper import Sweeper
from otp_app.channels import open_channels
from otp_app.clock import system_clock
from otp_app.core.bulkhead import Bulkhead
from otp_app.core.codes import LedgerIds
from otp_app.core.delivery import Channel, CodeMaker
from otp_app.core.events import ApprovalListener
from otp_app.core.idempotency import IdempotentSends
from otp_app.core.instant import Clock
from otp_app.core.service import FixedCode, VerificationService
from otp_app.core.store import Store
from otp_app.logs import log, log_event
from otp_app.plugins.approvals import bounded
from otp_app.plugins.loading import load_object
from otp_app.proof import Proofs, parse_proof_keys
from otp_app.settings import Settings, keyring
from otp_app.store import open_or_memory, open_store


@dataclass(frozen=True)
class Services:
    """What faces work with."""

    settings: Settings
    verifications: VerificationService
    users: VerificationService  # the same one, with the figures and words of the users face
    phone: VerificationService  # the same one, with those of the phone-verify face
    verify: Callable[[VerifyService], VerificationService]  # the same one, with those of one of Verify's services
    directory: Directory  # of the users face
    sessions: SessionTokens  # of the phone-verify face
    phone_code: Callable[[], str]  # makes the code that this face begins with; "": one of the server's
    verify_services: VerifyServices
    proofs: Proofs | None  # None: no keys for them
    idempotent: IdempotentSends
    sends: Bulkhead  # every API's; guard takes a place for each view that needs the scope "send"
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
        policy=profiles.policy(settings),
        keys=keys,
        ids=LedgerIds(index_key, secrets.token_bytes),
        texts=profiles.texts(settings),
        clock=clock,
        countries=settings.otp_countries,
        test_numbers={test.phone: FixedCode(test.code, test.ends) for test in settings.otp_test_numbers},
        listeners=[log_event],
        on_approved=_on_approved(settings),
    )
    return Services(
        settings,
        verifications,
        users=verifications.with_profile(*profiles.users(settings)),
        phone=verifications.with_profile(*profiles.phone(settings)),
        phone_code=_phone_code(settings, channels),
        sessions=SessionTokens(keys.for_use("session token"), keys.current, secrets.token_bytes),
        verify=lambda service: verifications.with_profile(*profiles.verify(settings, service)),
        verify_services=_verify_services(settings, store, clock),
        proofs=_proofs(settings, clock),
        directory=open_directory(settings.otp_directory_url) if settings.otp_directory_url else NoDirectory(),
        idempotent=IdempotentSends(store, clock),
        sends=Bulkhead(settings.otp_threads),
        store=store,
        channels=channels,
        sweeper=Sweeper(store),
    )


def _verify_services(settings: Settings, store: Store, clock: Clock) -> VerifyServices:
    configured = [
        VerifyService(sid, chosen.purpose, chosen.purpose, custom_code=chosen.custom_code)
        for sid, chosen in settings.otp_verify_services.items()
    ]
    accounts = {holder.account for holder in settings.otp_verify_accounts}
    return VerifyServices(store, clock, secrets.token_bytes, configured, accounts)


def _phone_code(settings: Settings, channels: Sequence[Channel]) -> Callable[[], str]:
    if fixed := settings.phone_verification.sandbox_code:
        return lambda: fixed
    maker = next((channel for channel in channels if isinstance(channel, CodeMaker)), None)
    return maker.new_code if maker else lambda: ""


def _on_approved(settings: Settings) -> list[ApprovalListener]:
    return [bounded(load_object(settings.otp_on_approved, "function"))] if settings.otp_on_approved else []


def _proofs(settings: Settings, clock: Clock) -> Proofs | None:
    if not settings.otp_proof_keys:
        return None
    keys = parse_proof_keys(settings.otp_proof_keys)
    return Proofs(keys, issuer=settings.otp_proof_issuer, ttl=settings.otp_proof_ttl, clock=clock)


def _store(settings: Settings) -> Store:
    if not settings.otp_store_fallback:
        return open_store(settings.otp_store_url)
    store, away = open_or_memory(settings.otp_store_url)
    if away:
        log.warning("OTP_STORE_URL: %s", away)
    return store


class NoDirectory:
    """Knows nobody: no face that is served needs one."""

    def phone(self, user_id: str) -> str | None:
        """Return None."""
        del user_id
        return None

    def close(self) -> None:
        """There is nothing to give up."""
