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
        """Return a line for each thing that it needs and that cannot be reached at the moment; `check` asks.

        It makes nothing.
        """
        del settings
        return []

    @classmethod
    def prepare(cls, settings: Settings) -> None:
        """Make what it needs before workers begin, who would wait for each other. Nothing is raised: they try again."""
        del settings
