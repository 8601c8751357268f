"""otp_app: sends one-time codes by WhatsApp or SMS and checks them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from otp_app.settings import Settings
    from otp_app.wiring import Services

__version__ = "0.1.0"


def create_app(settings: Settings | None = None, services: Services | None = None) -> Flask:
    """Return the Flask application; without settings, those of the environment. See otp_app.web.create_app."""
    from otp_app import web

    return web.create_app(settings, services)
