"""Who may call: as web/guard.py does for HTTP, but for the Host header, since browsers cannot speak gRPC."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import grpc
from google.protobuf.message import DecodeError
from grpc_reflection.v1alpha import reflection

from otp_app.apis.grpc import health
from otp_app.apis.grpc.calls import Calls, key_name
from otp_app.apis.grpc.metadata import MOST_BYTES, abort, is_too_large, received
from otp_app.apis.grpc.phoneotp_pb2 import DESCRIPTOR
from otp_app.core.errors import InvalidInput, OtpError
from otp_app.system.logs import warn_once
from otp_app.web import client, rejections
from otp_app.web.client import Caller, Forbidden, Unauthorized, identified, shown_key
from otp_app.web.limits import ClientLimits, WrongKeys
from otp_app.wiring import Services

SEND, VERIFY = (
    f"/{method.containing_service.full_name}/{method.name}"
    for method in DESCRIPTOR.services_by_name["PhoneOTPService"].methods
)
#: the scope of an API key by method; "": any key. Health needs none, and there is no other method
SCOPES = {SEND: "send", VERIFY: "verify", f"/{reflection.SERVICE_NAME}/ServerReflectionInfo": ""}

if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]
Method = Callable[[Any, grpc.ServicerContext], Any]
NOT_LOCAL = "A call from another machine, or through a proxy, was rejected: set OTP_API_KEYS to allow it"


def _refuse(_: Iterator[bytes], context: grpc.ServicerContext) -> None:
    context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"The metadata is larger than {MOST_BYTES} bytes")


TOO_LARGE: Handler = grpc.stream_unary_rpc_method_handler(_refuse)


class _TooLateError(Exception):
    """Nobody waits for the answer any more."""


class Guard(grpc.ServerInterceptor):
    """Puts every method behind the checks. A caller is known before its request is read.

    So a thread waits for the request of a known caller only: others could take all threads by sending none.
    """

    def __init__(self, services: Services) -> None:
        self._services, self._settings = services, services.settings
        self._calls, self._meter = Calls(services.meter, SCOPES), services.meter
        self._wrong_keys, self._limits = WrongKeys(services.store), ClientLimits(services.store)
        self._by_client = {
            "send": ("send", self._settings.otp_client_limits), "verify": ("check", self._settings.otp_check_limits)
        }  # fmt: skip

    def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Handler | None], details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Return the handler of a method. This runs in the thread that serves all calls, so it waits for nothing."""
        handler, method = continuation(details), details.method
        if handler is None or (method != health.CHECK and method not in SCOPES):
            self._calls.missed()
            return None
        if is_too_large(details.invocation_metadata):
            self._calls.too_large(method)
            return TOO_LARGE
        if method == health.CHECK and handler.stream_unary:
            health_of = self._calls.counted(method, handler.stream_unary)
            read, write = handler.request_deserializer, handler.response_serializer
            return grpc.stream_unary_rpc_method_handler(health_of, read, write)
        if handler.unary_unary and handler.request_deserializer:
            answer = self._unary(method, handler.unary_unary, handler.request_deserializer)
            return grpc.stream_unary_rpc_method_handler(answer, None, handler.response_serializer)
        if handler.stream_stream is None:
            return None
        answers = self._streaming(method, handler.stream_stream)
        return grpc.stream_stream_rpc_method_handler(answers, handler.request_deserializer, handler.response_serializer)

    def _unary(self, name: str, method: Method, read: Callable[[bytes], Any]) -> Method:
        scope = SCOPES[name]

        def answer(requests: Iterator[bytes], context: grpc.ServicerContext) -> Any:
            with self._calls.begun(name, context), self._rejecting(context):
                caller = self._caller(context, scope)
                key_name.set(caller.name)
                request = _message(read, requests)
                with self._place(caller, scope):
                    _check_deadline(context)
                    return method(request, context)

        return answer

    def _streaming(self, name: str, method: Method) -> Method:
        def answer(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
            with self._calls.begun(name, context), self._rejecting(context):
                self._caller(context, SCOPES[name])
                yield from method(requests, context)

        return answer

    def _caller(self, context: grpc.ServicerContext, scope: str) -> Caller:
        """Return who calls. Raises Forbidden, Unauthorized, TooManyWrongKeys."""
        metadata, keys, proxies = received(context), self._settings.otp_api_keys, self._settings.otp_trusted_proxies
        environ = _environ(context.peer(), metadata)
        if not keys and not client.is_local(environ, proxies):
            warn_once(NOT_LOCAL)
            raise Forbidden("This server answers only requests that come directly from its own machine")
        shown = shown_key(metadata.get("authorization"), metadata.get("x-api-key"))
        caller = identified(shown, client.address(environ, proxies), keys, self._wrong_keys.count)
        if keys and not caller.authenticated:
            raise Unauthorized("An API key is needed: authorization: Bearer KEY")
        if keys and scope and scope not in caller.scopes:
            raise Forbidden("This API key may not do that")
        return caller

    @contextmanager
    def _place(self, caller: Caller, scope: str) -> Iterator[None]:
        """Take a place for a send, then count a caller without a key. Raises Overloaded, TooManyRequests."""
        with ExitStack() as places:
            if scope == "send":
                self._services.sends.enter()
                places.callback(self._services.sends.leave)
            if not caller.authenticated:
                self._limits.count(*self._by_client[scope], caller.address)
            yield

    @contextmanager
    def _rejecting(self, context: grpc.ServicerContext) -> Iterator[None]:
        """End the call with a status where an error stops it; of a defect only type and place are logged."""
        try:
            yield
        except _TooLateError:
            context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "The deadline has passed")
        except grpc.RpcError:  # from reading the request of a client that is gone
            context.set_code(grpc.StatusCode.CANCELLED)
            raise
        except Exception as error:  # noqa: BLE001
            rejection = rejections.of_error(error) if isinstance(error, OtpError) else rejections.of_defect(error)
            if self._meter:
                self._meter.rejected("grpc", rejection.error_type, error)
            abort(context, rejection)


def _environ(peer: str, metadata: Mapping[str, str]) -> dict[str, str]:
    """Return what web/client.py reads, as WSGI spells it. A peer is `ipv4:127.0.0.1:5001` or `ipv6:[::1]:5001`."""
    kind, _, address = unquote(peer).partition(":")
    remote = address.rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else ""
    return {_header(key): value for key, value in metadata.items()} | {"REMOTE_ADDR": remote}


def _header(key: str) -> str:
    """Return what WSGI calls a key. One that has `_` itself keeps apart: no proxy writes it, and many let it through,
    so that a client would choose its own address with x_forwarded_for.
    """  # fmt: skip
    return f"HTTP_{key.upper().replace('-', '_')}{'_' * ('_' in key)}"


def _message(read: Callable[[bytes], Any], requests: Iterator[bytes]) -> Any:
    try:
        return read(next(requests))
    except (DecodeError, StopIteration):
        raise InvalidInput("The request is no message of this method") from None


def _check_deadline(context: grpc.ServicerContext) -> None:
    """Begin nothing for a client that does not wait for it any more."""
    left: float | None = context.time_remaining()
    if not context.is_active() or (left is not None and left <= 0):
        raise _TooLateError
