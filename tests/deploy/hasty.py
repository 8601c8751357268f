"""A worker with little patience, so that a test of slow clients is short."""

from otp_app.web.gunicorn.worker import HttpWorker


class HastyWorker(HttpWorker):
    """Half a second for a request to arrive."""

    patience = 0.5
