"""The WSGI entry point: `gunicorn -c deploy/gunicorn.conf.py wsgi:app`."""

import os
import sys

from otp_app import create_app
from otp_app.settings.keyring import BadKeyFile
from otp_app.startup import BadSettings
from otp_app.web.sole_worker import SecondWorkerError

try:
    app = create_app()
except (BadKeyFile, BadSettings, SecondWorkerError) as error:
    sys.stderr.writelines(f"{line}\n" for line in getattr(error, "faults", [error]))
    # gunicorn's master ends with this status of a worker, and starts workers anew for ever with every other one.
    gunicorn = sys.modules.get("gunicorn.arbiter")
    sys.exit(gunicorn.Arbiter.APP_LOAD_ERROR if gunicorn else os.EX_CONFIG)
