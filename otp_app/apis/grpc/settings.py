"""The settings of the gRPC API: where it listens, and its certificates."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from otp_app.settings import types
from otp_app.settings.model import ApiModel, Setting

PEM = "PEM text; name its file with the variable that ends with `_FILE`"


def pem(text: str) -> str:
    """Read certificates or a key in PEM form."""
    if not (text.startswith("-----BEGIN ") and text.endswith("-----")):
        raise ValueError("write PEM text, from -----BEGIN to -----, or name its file with the variable + _FILE")
    return text


class GrpcSettings(ApiModel, frozen=True, kw_only=True):
    """What `python -m otp_app grpc` takes beside the settings of the server."""

    api: ClassVar = "grpc"

    otp_grpc_host: Annotated[str, Setting(
        "Address that the [gRPC server](grpc.md) listens on. Beyond loopback it needs `OTP_API_KEYS`.",
        group="gRPC API", form="an address or a host name, without a port", read=types.bind_host, always=True,
    )] = "127.0.0.1"
    otp_grpc_port: Annotated[int, Meta(ge=1, le=65535), Setting("Its port.", always=True)] = 50051
    otp_grpc_tls_certificate: Annotated[str, Setting(
        "Its certificate, followed by those of the authorities between it and the root. A renewed one takes a restart.",
        form=PEM, default="not set: no TLS", read=pem, guard=True, always=True,
    )] = ""
    otp_grpc_tls_key: Annotated[str, Setting(
        "The private key of the certificate.", form=PEM, read=pem, secret=True, guard=True, always=True,
    )] = ""
    otp_grpc_tls_client_ca: Annotated[str, Setting(
        "Certificates of authorities. Every client must then show a certificate of one of them, beside its API key.",
        form=PEM, default="not set: clients need no certificate", read=pem, guard=True, always=True,
    )] = ""
