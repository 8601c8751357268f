"""The gRPC API, as `python -m otp_app grpc` opens it."""

from __future__ import annotations

from importlib.util import find_spec

from otp_app.apis.command import CommandApi
from otp_app.apis.grpc.settings import GrpcSettings
from otp_app.plugins.extras import install_command
from otp_app.settings import Settings
from otp_app.settings.exposure import is_loopback

MODULES = ("grpc", "grpc_health", "grpc_reflection")  # of the extra
KEYS_NEEDED = (
    "OTP_GRPC_HOST: the address can be reached from elsewhere: set OTP_API_KEYS (python -m otp_app keys new NAME)"
)
NO_TLS = (
    "OTP_GRPC_TLS_CERTIFICATE: without it, API keys and codes cross the network in the clear: set it, or let a proxy "
    "do TLS"
)
NO_PROXY = (
    "OTP_API_KEYS: not set, so this server answers every call from this machine, with OTP_PUBLIC=1 too: set API keys "
    "before a proxy passes calls on to it, because some proxies send nothing that reveals them (nginx with grpc_pass)"
)


class GrpcApi(CommandApi):
    """SendOTP and VerifyOTP of phoneotp.PhoneOTPService."""

    def serve(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises CannotServeError."""
        from otp_app.apis.grpc import server  # loads grpc

        server.serve(self.services)

    @classmethod
    def faults(cls, settings: Settings) -> list[str]:
        """Whether its package is there, who can reach it, and its certificates."""
        own = settings.of(GrpcSettings)
        lines = []
        is_served = GrpcSettings.api in settings.otp_apis  # else the HTTP server looks at the settings
        if is_served and not all(map(find_spec, MODULES)):
            lines.append(f"grpc: this API needs another package: {install_command('grpcio')}")
        if not (is_loopback(own.otp_grpc_host) or settings.otp_api_keys):
            lines.append(KEYS_NEEDED)
        if bool(own.otp_grpc_tls_certificate) != bool(own.otp_grpc_tls_key):
            lines.append("OTP_GRPC_TLS_CERTIFICATE, OTP_GRPC_TLS_KEY: set both or neither")
        if own.otp_grpc_tls_client_ca and not own.otp_grpc_tls_certificate:
            lines.append("OTP_GRPC_TLS_CLIENT_CA: it needs OTP_GRPC_TLS_CERTIFICATE and OTP_GRPC_TLS_KEY")
        return lines

    @classmethod
    def advice(cls, settings: Settings) -> list[str]:
        """Keys and codes need TLS on a network, and a proxy needs keys: here OTP_PUBLIC=1 opens nothing."""
        own = settings.of(GrpcSettings)
        lines = [] if is_loopback(own.otp_grpc_host) or own.otp_grpc_tls_certificate else [NO_TLS]
        return lines + [NO_PROXY] * (settings.otp_public and not settings.otp_api_keys)
