"""PhoneOTPService over the service of all APIs. What concerns a number, its code or its message is a response."""

from __future__ import annotations

import grpc

from otp_app.apis.grpc.calls import key_name
from otp_app.apis.grpc.metadata import VERIFICATION_ID, received, report
from otp_app.apis.grpc.phoneotp_pb2 import SendOTPRequest, SendOTPResponse, VerifyOTPRequest, VerifyOTPResponse
from otp_app.apis.grpc.phoneotp_pb2_grpc import PhoneOTPServiceServicer
from otp_app.core.check_transitions import Verdict
from otp_app.core.codes import as_typed
from otp_app.core.delivery import Outcome
from otp_app.core.errors import CountryNotAllowed, DeliveryRefused, InvalidInput, LimitReached, OtpError
from otp_app.core.ledger import Origin, Status
from otp_app.core.results import SendRequest
from otp_app.web import rejections
from otp_app.wiring import Services

#: what ends in success=false; every other error is one of the call
ANSWERED = (InvalidInput, CountryNotAllowed, LimitReached, DeliveryRefused)
#: the status where no verification says one
FAILED = "failed"


class PhoneOtp(PhoneOTPServiceServicer):
    """Takes fields, calls the service, translates."""

    def __init__(self, services: Services) -> None:
        self._verifications, self._meter = services.verifications, services.meter
        self._has_keys = bool(services.settings.otp_api_keys)  # then guard lets nobody in without one
        self._by_id_only = services.settings.otp_check_by == "id"

    def SendOTP(self, request: SendOTPRequest, context: grpc.ServicerContext) -> SendOTPResponse:  # noqa: N802
        """Send a code, or the same code again while one is pending."""
        how = SendRequest(authenticated=self._has_keys, origin=Origin("grpc", key_name.get()))
        try:
            result = self._verifications.send(request.phone_number, how)
        except ANSWERED as error:
            self._report(context, error)
            return SendOTPResponse(success=False)
        unknown = {"delivery": str(result.outcome)} if result.outcome != Outcome.SENT else {}
        report(context, {VERIFICATION_ID: result.verification_id} | unknown)
        return SendOTPResponse(success=True)

    def VerifyOTP(self, request: VerifyOTPRequest, context: grpc.ServicerContext) -> VerifyOTPResponse:  # noqa: N802
        """Check a code for a number, and for the verification of the metadata if it names one."""
        try:
            verdict = self._check(request, received(context).get(VERIFICATION_ID, ""))
        except ANSWERED as error:
            self._report(context, error)
            return VerifyOTPResponse(success=False, status=FAILED)
        if verdict.verification_id:
            report(context, {VERIFICATION_ID: verdict.verification_id})
        return VerifyOTPResponse(success=verdict.approved, status=_status(verdict))

    def _check(self, request: VerifyOTPRequest, verification_id: str) -> Verdict:
        if not as_typed(request.otp):
            raise InvalidInput("otp must be 4 to 10 digits")
        if self._by_id_only and not verification_id:
            raise InvalidInput("the metadata must have verification_id")
        return self._verifications.check(
            request.otp, phone_number=request.phone_number, verification_id=verification_id or None
        )

    def _report(self, context: grpc.ServicerContext, error: OtpError) -> None:
        rejection = rejections.of_error(error)
        if self._meter:
            self._meter.rejected("grpc", rejection.error_type, error)
        report(context, rejection)


def _status(verdict: Verdict) -> str:
    """Return Twilio's word. An approved code that is shown again is one that is not there any more."""
    if verdict.approved:
        return Status.APPROVED
    return FAILED if verdict.status in (None, Status.APPROVED) else str(verdict.status)
