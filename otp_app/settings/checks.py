"""What an API says of the settings, before it is opened."""

from __future__ import annotations

from otp_app.settings import Settings


class SettingsChecks:
    """The base of every API's class. Each default is that of an API with nothing to say."""

    @classmethod
    def faults(cls, settings: Settings) -> list[str]:
        """Return a line for each reason not to start: `VARIABLE: what is wrong and what to write`."""
        del settings
        return []

    @classmethod
    def advice(cls, settings: Settings) -> list[str]:
        """Return a line for everything that works and could be better."""
        del settings
        return []

    @classmethod
    def unreachable(cls, settings: Settings) -> list[str]:
        """Return a line for each thing that it needs and that cannot be reached at the moment; `check` asks."""
        del settings
        return []
