"""`python -m otp_app …`."""

import sys

from otp_app.cli import main

sys.exit(main(name="python -m otp_app"))
