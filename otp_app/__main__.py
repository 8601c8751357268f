"""`python -m otp_app …`."""

import sys

from otp_app.cli import main

sys.exit(main())
