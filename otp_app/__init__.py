"""otp_app sends one-time codes by WhatsApp or SMS and checks them.

The package from the top to the bottom. A module imports its own part and the parts of lines below it, never a part of
its own line or above; no API, channel or store imports another one.

    __main__  __init__
    cli
    serving
    startup
    apis
    web  workers
    accounts  bus  wiring
    background  channels  history  maintenance  monitoring  proof  stores
    system
    settings
    connections  plugins
    core  version
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otp_app.version import __version__

if TYPE_CHECKING:
    from flask import Flask

    from otp_app.settings import Settings
    from otp_app.wiring import Services

__all__ = ["__version__", "create_app"]


def create_app(settings: Settings | None = None, services: Services | None = None) -> Flask:
    """Return the Flask application; without settings, those of the environment. See otp_app.serving.app.create_app."""
    from otp_app.serving import app

    return app.create_app(settings, services)
