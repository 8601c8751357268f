"""The server: its sockets, its threads, and its end."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its C library would write a line for each broken handshake

import grpc
from grpc_reflection.v1alpha import reflection

from otp_app.apis.command import CannotServeError
from otp_app.apis.grpc import health
from otp_app.apis.grpc.guard import Guard
from otp_app.apis.grpc.metadata import MOST_BYTES
from otp_app.apis.grpc.phoneotp_pb2 import DESCRIPTOR
from otp_app.apis.grpc.phoneotp_pb2_grpc import add_PhoneOTPServiceServicer_to_server
from otp_app.apis.grpc.servicer import PhoneOtp
from otp_app.apis.grpc.settings import GrpcSettings
from otp_app.system.logs import log
from otp_app.system.signals import at_end
from otp_app.wiring import Services

GRACE = 30.0  # seconds that calls have to finish
OPTIONS = [
    ("grpc.so_reuseport", 0),  # a second server at the same port must fail, not take half of the calls
    ("grpc.max_receive_message_length", 4096),
    ("grpc.max_metadata_size", MOST_BYTES),  # of each frame, so that guard counts all of them
    ("grpc.absolute_max_metadata_size", MOST_BYTES),
    ("grpc.max_concurrent_streams", 256),
    ("grpc.server_handshake_timeout_ms", 10_000),  # a client says what it is within these, or is closed; TLS included
    ("grpc.max_connection_idle_ms", 600_000),
    ("grpc.keepalive_time_ms", 60_000),  # connections of clients that vanished are closed
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 20_000),  # a client that pings more often is cut off
]


def serve(services: Services) -> None:
    """Serve until SIGTERM or SIGINT, then finish the calls that were begun. Raises CannotServeError."""
    logging.getLogger("grpc").setLevel(logging.CRITICAL)  # its errors repeat texts of exceptions
    ended = threading.Event()
    with opened(services, ended) as server:
        where = _listen(server, services.settings.of(GrpcSettings))
        at_end(ended.set)
        server.start()
        log.info("gRPC %s", where)
        while not ended.wait(0.5):  # a signal that reached a thread of grpc's wakes nobody here
            pass
        log.info("stopping")
        server.stop(GRACE).wait()


@contextmanager
def opened(services: Services, ended: threading.Event) -> Iterator[grpc.Server]:
    """Return a server that listens nowhere yet, and says that it ends once `ended` is set; at exit its threads end."""
    threads = services.settings.otp_threads + 32  # sends, and 32 for everything else
    with ThreadPoolExecutor(threads, "grpc") as pool:
        server = grpc.server(pool, interceptors=[Guard(services)], options=OPTIONS, maximum_concurrent_rpcs=threads)
        add_PhoneOTPServiceServicer_to_server(PhoneOtp(services), server)  # type: ignore[no-untyped-call]
        server.add_generic_rpc_handlers([health.handler(ended)])
        service = DESCRIPTOR.services_by_name["PhoneOTPService"].full_name
        reflection.enable_server_reflection([service, health.SERVICE, reflection.SERVICE_NAME], server)
        yield server


def _listen(server: grpc.Server, own: GrpcSettings) -> str:
    """Return where it listens, and how."""
    host = f"[{own.otp_grpc_host}]" if ":" in own.otp_grpc_host else own.otp_grpc_host
    address, credentials = f"{host}:{own.otp_grpc_port}", _credentials(own)
    _try(own)
    try:
        if credentials:
            server.add_secure_port(address, credentials)
        else:
            server.add_insecure_port(address)
    except RuntimeError:  # without a reason; the port is not it
        raise CannotServeError(
            "OTP_GRPC_TLS_CERTIFICATE, OTP_GRPC_TLS_KEY, OTP_GRPC_TLS_CLIENT_CA: write a certificate, its own key, and "
            "certificates of authorities"
        ) from None
    return f"{'with' if credentials else 'without'} TLS at {address}"


def _try(own: GrpcSettings) -> None:
    """Raise CannotServeError with the reason where the port cannot be bound, which grpc does not say."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            own.otp_grpc_host, own.otp_grpc_port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as grpc does, to ignore closed sockets
            probe.bind(address)
    except OSError as error:
        reason = f"OTP_GRPC_HOST, OTP_GRPC_PORT: cannot listen there: {error.strerror}"
        raise CannotServeError(reason, passing=True) from None


def _credentials(own: GrpcSettings) -> grpc.ServerCredentials | None:
    if not own.otp_grpc_tls_certificate:
        return None
    pair = own.otp_grpc_tls_key.encode(), own.otp_grpc_tls_certificate.encode()
    authorities = own.otp_grpc_tls_client_ca.encode() or None
    return grpc.ssl_server_credentials([pair], authorities, require_client_auth=authorities is not None)
