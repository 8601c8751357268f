"""What an API is that the HTTP server does not serve: a class like this one, served by `python -m otp_app NAME`."""

from __future__ import annotations

from otp_app.settings.checks import SettingsChecks
from otp_app.wiring import Services


class CannotServeError(Exception):
    """It cannot listen. The text says which setting to change; `passing`: or the cause may end by itself."""

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


class CommandApi(SettingsChecks):
    """One API with a process of its own, opened over services of its own. Its module loads no package of an extra."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def serve(self) -> None:
        """Serve until the process is asked to end, and finish what was begun. Raises CannotServeError."""
        raise NotImplementedError
