"""grpc.health.v1: the process answers. Whoever asks needs no key, so the answer waits for no client and no store."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import grpc
from grpc_health.v1.health_pb2 import DESCRIPTOR, HealthCheckRequest, HealthCheckResponse

SERVICE = DESCRIPTOR.services_by_name["Health"].full_name
CHECK = f"/{SERVICE}/Check"


def handler(ended: Event) -> grpc.GenericRpcHandler:
    """Return what answers Check: SERVING until the server ends, for every service, since they are one process.

    It does not read the request: a thread that waits for one would be lost to all others.
    """

    def check(_: Iterator[HealthCheckRequest], __: grpc.ServicerContext) -> HealthCheckResponse:
        serving = not ended.is_set()
        return HealthCheckResponse(status=HealthCheckResponse.SERVING if serving else HealthCheckResponse.NOT_SERVING)

    unread = grpc.stream_unary_rpc_method_handler(
        check, HealthCheckRequest.FromString, HealthCheckResponse.SerializeToString
    )
    return grpc.method_handlers_generic_handler(SERVICE, {"Check": unread})
