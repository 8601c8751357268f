"""`python -m otp_app.serving [gunicorn's arguments]`: gunicorn serves this package from any folder.

The package is imported first: gunicorn puts the folder of the start in front of all others, where another version of
the package may be.
"""

import sys

from gunicorn.app.wsgiapp import run  # type: ignore[import-untyped]

from otp_app.serving import CONFIGURATION

sys.argv = ["otp-app serve", "-c", str(CONFIGURATION), *sys.argv[1:], "otp_app.serving.wsgi:app"]
run()
