"""What travels beside the messages: keys and ids from the client, and in the trailing metadata what an answer means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import accumulate

import grpc

from otp_app.system.logs import request_id
from otp_app.web.rejections import Rejection

VERIFICATION_ID = "verification_id"
REQUEST_ID = "x-request-id"
MOST_BYTES = 8192  # of a call's metadata
OVERHEAD = 32  # bytes that HTTP/2 counts for each entry, beside its name and its value
#: gRPC status by HTTP status, as google.rpc.Code has them
CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
}


def is_too_large(metadata: Iterable[tuple[str, str | bytes]] | None) -> bool:
    """Return whether a call's metadata is larger than MOST_BYTES; no more of it is looked at.

    grpc itself counts each frame for itself. So 22 KB of frames that continue the head of one call, each with two bytes
    that name a long entry of HTTP/2's table, are 16 MB, which all other calls would wait for.
    """
    sizes = accumulate(len(key) + len(value) + OVERHEAD for key, value in metadata or ())
    return any(size > MOST_BYTES for size in sizes)


def received(context: grpc.ServicerContext) -> dict[str, str]:
    """Return the texts of a call's metadata; of a key that came several times all, with commas, as in HTTP."""
    found: dict[str, str] = {}
    for key, value in context.invocation_metadata():
        if isinstance(value, str):
            found[key] = f"{found[key]},{value}" if key in found else value
    return found


def report(context: grpc.ServicerContext, what: Mapping[str, str] | Rejection) -> None:
    """Put details, or why a request was not done, into the trailing metadata, with the id of the call."""
    details = _details(what) if isinstance(what, Rejection) else what
    context.set_trailing_metadata((*details.items(), (REQUEST_ID, request_id.get())))


def abort(context: grpc.ServicerContext, rejection: Rejection) -> None:
    """End a call with the status of a rejection. Always raises."""
    report(context, rejection)
    context.abort(CODES.get(rejection.status, grpc.StatusCode.UNKNOWN), rejection.text)


def _details(rejection: Rejection) -> dict[str, str]:
    details = {"error_type": rejection.error_type, "message": rejection.text.encode("ascii", "replace").decode()}
    return details if rejection.retry_after is None else details | {"retry_after": str(rejection.retry_after)}
