"""This server, except that it tells nobody of the events that it notes: what a send does for them, by itself."""

from otp_app.background.webhooks.sender import Sender

Sender.wake = lambda *_, **__: None

from wsgi import app  # noqa: E402

__all__ = ["app"]
