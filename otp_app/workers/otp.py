"""The worker that sends the codes that sign-ups ask for, and tells the accounts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from threading import Event

from otp_app.accounts.purposes import SIGN_UP
from otp_app.bus.consumer import Post
from otp_app.bus.letters import REQUESTS, SENT, Letter
from otp_app.core.codes import shift_code
from otp_app.core.delivery import Reason
from otp_app.core.errors import Busy, DeliveryRefused, IdempotencyInProgress, OtpError, Overloaded, StoreUnavailable
from otp_app.core.idempotency import Key
from otp_app.core.ledger import Origin
from otp_app.core.results import SendRequest, SendResult, VerificationView
from otp_app.settings import Settings
from otp_app.settings.types import KEY_NAME
from otp_app.wiring import Services, build
from otp_app.workers.receiving import Scraped, receive

SCOPE = "amqp"  # of idempotency keys
LATER = {Reason.THROTTLED, Reason.UNREACHABLE}


def is_passing(error: OtpError) -> bool:
    """Return whether nothing was sent, and a later attempt may succeed."""
    if isinstance(error, DeliveryRefused):
        return error.reason in LATER
    return isinstance(error, StoreUnavailable | Busy | Overloaded | IdempotencyInProgress)


def run(settings: Settings, stopping: Event, scraped: Scraped) -> None:
    """Send what is asked for, until `stopping` is set. Raises what wiring.build raises."""
    with (
        closing(build(settings, measured=bool(settings.otp_metrics_port))) as services,
        scraped(services.meter, services.store),
    ):
        handle, ttl, meter = SendsCodes(services), settings.otp_ttl, services.meter
        receive(settings, REQUESTS, handle, is_passing=is_passing, ttl=ttl, stopping=stopping, meter=meter)


class SendsCodes:
    """Sends a code for each request, and at most one message for all copies of a request."""

    def __init__(self, services: Services) -> None:
        self._services, self._publish_code = services, services.settings.otp_amqp_publish_code
        self._test_numbers = {test.phone for test in services.settings.otp_test_numbers}

    def __call__(self, letter: Letter, post: Post) -> None:
        """Send, and post what was sent. Raises Dead, and what VerificationService.send raises."""
        phone = letter.text("phone_number")
        is_known = letter.fields.get("authenticated") is True
        request = SendRequest(purpose=SIGN_UP, authenticated=is_known, origin=Origin("worker", _key_name(letter)))
        key = Key(SCOPE, letter.id, f"{phone}\0{request.authenticated}")
        sent = self._services.idempotent.once(key, partial(self._send, phone, request))
        view = self._services.verifications.status(sent.verification_id)
        at = letter.at or view.verification.sends[-1].at  # the same for each copy of the request
        post(SENT, Letter.of(letter.id, at, self._announced(view)))

    def _send(self, phone: str, request: SendRequest, note: Callable[[SendResult], None]) -> SendResult:
        return self._services.verifications.send(phone, request, note)

    def _announced(self, view: VerificationView) -> dict[str, object]:
        fields: dict[str, object] = {
            "phone_number": view.phone,
            "verification_id": view.verification.id,
            "expires_at": int(view.at.wall + view.expires_in),
        }
        made_here = not view.verification.provider and view.phone not in self._test_numbers
        if self._publish_code and made_here:
            fields["otp"] = self._code(view)
        return fields

    def _code(self, view: VerificationView) -> str:
        """For receivers that check codes themselves, as OTP_AMQP_PUBLISH_CODE allows them."""
        sent = view.verification
        code = self._services.keys.derive(
            sent.key, verification_id=sent.id, phone=view.phone, purpose=sent.purpose, generation=sent.generation,
            length=sent.digits,
        )  # fmt: skip
        return shift_code(code, sent.code_offset)


def _key_name(letter: Letter) -> str:
    """Return the name of the API key that the sign-up was asked for with, "" where the message names none."""
    said = letter.fields.get("key")
    return said if isinstance(said, str) and KEY_NAME.fullmatch(said) else ""
