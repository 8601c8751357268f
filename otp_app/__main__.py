"""`python -m otp_app …`, and the program `otp-app` of an environment that has the package."""

import sys

from otp_app.cli import main


def program() -> int:
    """Run `otp-app`. Modules of the operator's own are found in the current folder, as they are by gunicorn."""
    sys.path.append("")
    return main()


if __name__ == "__main__":
    sys.exit(main(name="python -m otp_app"))
