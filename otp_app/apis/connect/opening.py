"""The services, as connectrpc serves them: opened here, so that a server without this API loads none of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from connectrpc.code import Code
from connectrpc.codec import proto_binary_codec
from connectrpc.errors import ConnectError
from flask import g
from protobuf import Message

from otp_app.accounts.database import Database
from otp_app.accounts.service import Accounts, Ask
from otp_app.apis.connect.auth_service import Auth
from otp_app.apis.connect.generated.auth_connect import AuthServiceWSGIApplication
from otp_app.apis.connect.generated.otp_connect import OtpServiceWSGIApplication
from otp_app.apis.connect.otp_service import Otp
from otp_app.apis.connect.state import Connect
from otp_app.wiring import Services


class Json:
    """JSON with the names of the .proto file in answers; requests may have theirs or Connect's own, phoneNumber."""

    def name(self) -> str:
        """Return what stands behind `application/`."""
        return "json"

    def encode(self, message: Message[Any]) -> bytes:
        """Return the text of a message."""
        return message.to_json(use_proto_field_name=True).encode()

    def decode(self, data: bytes | bytearray, message_class: type[Any]) -> Any:
        """Return the message of a text. Raises TypeError, ValueError."""
        return message_class.from_json(bytes(data), ignore_unknown_fields=True)


class Faults:
    """Keeps an exception of a service for the view, which raises it again: there it is answered as everywhere."""

    def intercept_unary_sync(self, call_next: Callable[[Any, Any], Any], message: Any, context: Any) -> Any:
        """Call the service."""
        try:
            return call_next(message, context)
        except Exception as error:  # noqa: BLE001 - raised again in the view
            g.rpc_fault = error
            raise ConnectError(Code.INTERNAL, "") from None


def open_connect(services: Services) -> Connect:
    """Return what the views work with. Raises ValueError for a DATABASE_URL that is none."""
    settings = services.settings
    database = services.opened["accounts"] = Database(settings.database_url)
    accounts = Accounts(
        services.verifications, database, clock=services.clock, session_ttl=settings.otp_session_ttl,
        ask=_asking(services),
    )  # fmt: skip
    how: dict[str, Any] = {"interceptors": (Faults(),), "compressions": (), "codecs": (Json(), proto_binary_codec())}
    return Connect(
        accounts,
        {
            "/auth.AuthService": AuthServiceWSGIApplication(Auth(accounts), **how),
            "/otp.OtpService": OtpServiceWSGIApplication(Otp(accounts), **how),
        },
    )


def _asking(services: Services) -> Ask | None:
    """What asks workers for the codes of sign-ups; None where this server sends them itself."""
    if not services.settings.otp_amqp_url:
        return None
    from otp_app.bus.opening import open_sign_ups  # pika, for this alone

    sign_ups = services.opened["bus"] = open_sign_ups(services.settings, services.clock)
    return sign_ups.ask
