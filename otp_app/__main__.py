"""`python -m otp_app …`."""

import io
import sys

from otp_app.cli import main

if isinstance(sys.stdout, io.TextIOWrapper):
    sys.stdout.reconfigure(errors="backslashreplace")  # a terminal whose locale does not have every letter
sys.exit(main())
