"""gunicorn's configuration for a server from a checkout: that of otp_app/serving/configuration.py."""

from otp_app.serving.configuration import configuration

globals().update(configuration())
