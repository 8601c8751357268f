"""The WSGI entry point: `otp_app.serving.wsgi:app`, in a checkout `wsgi:app`."""

from __future__ import annotations

import os
import sys

from otp_app.serving.app import create_app
from otp_app.settings.keyring import BadKeyFile
from otp_app.startup import BadSettings
from otp_app.web.sole_worker import SecondWorkerError

__all__ = ["app"]

try:
    app = create_app()
except (BadKeyFile, BadSettings, SecondWorkerError) as error:
    sys.stderr.writelines(f"{line}\n" for line in getattr(error, "faults", [error]))
    # gunicorn's master ends with this status of a worker, and starts workers anew for ever with every other one.
    gunicorn = sys.modules.get("gunicorn.arbiter")
    sys.exit(gunicorn.Arbiter.APP_LOAD_ERROR if gunicorn else os.EX_CONFIG)
