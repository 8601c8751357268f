"""The version of this release. The wheel, `otp-app --version`, GET /openapi.json and GET /readyz have it from here."""

__version__ = "0.1.0"
