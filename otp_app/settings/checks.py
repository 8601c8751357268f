"""What an API says of the settings, before it is opened."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from otp_app.core.texts import Texts
from otp_app.settings import Settings, policy
from otp_app.settings.diagnosis import Diagnosis, UsedTemplate


class Words(NamedTuple):
    """The texts of an API's messages."""

    source: str  # the variable that its default text is from; "": it is the server's own
    texts: Texts
    digits: int  # of its longest code
    for_apps: bool  # a request may have an app_hash

    @classmethod
    def of(cls, settings: Settings, texts: Texts | None = None, *, for_apps: bool = False) -> Words:
        """Return those of an API with codes of the usual length; `texts`: it has others than the server."""
        digits = max(settings.otp_code_length, settings.otp_code_length_raised)
        return cls("OTP_MESSAGE" if settings.otp_message else "", texts or policy.texts(settings), digits, for_apps)


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
    def words(cls, settings: Settings) -> list[Words]:
        """Return the texts that its messages may have; `check` says which are long."""
        return [Words.of(settings)]

    @classmethod
    def unreachable(cls, settings: Settings) -> list[str]:
        """Return a line for each thing that it needs and that cannot be reached at the moment; `check` asks.

        It makes nothing.
        """
        del settings
        return []

    @classmethod
    def examine(cls, settings: Settings) -> Iterable[Diagnosis]:
        """Ask others whether it can do its work, for `doctor`. Nothing is changed; never raises."""
        del settings
        return ()

    @classmethod
    def templates(cls, settings: Settings) -> Iterable[UsedTemplate]:
        """Return the templates of providers that its messages use; `doctor` asks whether they can be sent."""
        del settings
        return ()

    @classmethod
    def prepare(cls, settings: Settings) -> None:
        """Make what it needs before workers begin, who would wait for each other. Nothing is raised: they try again."""
        del settings
