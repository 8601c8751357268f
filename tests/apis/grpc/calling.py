"""A client of the gRPC API as its generated code makes it, and a server of it in this process or in one of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import grpc

from otp_app.apis.grpc.phoneotp_pb2 import SendOTPRequest, VerifyOTPRequest
from otp_app.apis.grpc.phoneotp_pb2_grpc import PhoneOTPServiceStub
from otp_app.apis.grpc.server import opened
from otp_app.wiring import Services

OK = grpc.StatusCode.OK


class Answer(NamedTuple):
    """What came back: the status of the call, the fields of the response, and the trailing metadata."""

    code: grpc.StatusCode
    success: bool | None
    status: str | None
    details: dict[str, str]


class Client:
    """Calls with this metadata on a connection of its own. Each call ends within 20 s."""

    def __init__(self, target: str, key: str = "", channel: grpc.Channel | None = None, **metadata: str) -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        self.channel = channel or grpc.insecure_channel(target, options)
        self.stub = PhoneOTPServiceStub(self.channel)
        shown = {"authorization": f"Bearer {key}"} if key else {}
        self._metadata = shown | {name.replace("_", "-"): value for name, value in metadata.items()}

    def send(self, number: str, **how: Any) -> Answer:
        """SendOTP."""
        return self.call(self.stub.SendOTP, SendOTPRequest(phone_number=number), **how)

    def verify(self, number: str, otp: str, **how: Any) -> Answer:
        """VerifyOTP."""
        return self.call(self.stub.VerifyOTP, VerifyOTPRequest(phone_number=number, otp=otp), **how)

    def call(self, method: Any, request: Any, timeout: float = 20, **metadata: str) -> Answer:
        """Call a method with more metadata."""
        sent = list((self._metadata | metadata).items())
        try:
            response, call = method.with_call(request, timeout=timeout, metadata=sent)
        except grpc.RpcError as error:
            return Answer(error.code(), None, None, dict(error.trailing_metadata() or ()))
        success, status = getattr(response, "success", None), getattr(response, "status", None)
        return Answer(call.code(), success, status, dict(call.trailing_metadata()))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()


@contextmanager
def answering(services: Services, ended: threading.Event | None = None) -> Iterator[str]:
    """The target of a server over these services, in this process."""
    with opened(services, ended or threading.Event()) as server:
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"127.0.0.1:{port}"
        server.stop(5).wait()
