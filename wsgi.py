"""The WSGI entry point of a checkout: `gunicorn -c deploy/gunicorn.conf.py wsgi:app`."""

from otp_app.serving.wsgi import app

__all__ = ["app"]
