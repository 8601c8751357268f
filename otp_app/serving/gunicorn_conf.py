"""What gunicorn reads at the start and at each reload: `gunicorn -c …/gunicorn_conf.py otp_app.serving.wsgi:app`."""

from otp_app.serving.configuration import configuration

globals().update(configuration())
