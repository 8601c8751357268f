"""otp.OtpService: each method is an RPC; its errors are those of the accounts and of the core."""

from __future__ import annotations

from otp_app.accounts.service import Accounts
from otp_app.apis.connect.fields import CODE_SENT, how_to_send, number_in
from otp_app.apis.connect.generated import otp_pb as pb
from otp_app.apis.connect.generated.otp_connect import OtpServiceSync


class Otp(OtpServiceSync):
    """Codes."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def generate_otp(self, request: pb.GenerateRequest, _: object, /) -> pb.GenerateResponse:
        """Send a code that logs in."""
        self._accounts.send_login_code(number_in(request), how_to_send())
        return pb.GenerateResponse(message=CODE_SENT)
