"""What a class offers to be a channel of this project; a class of an operator may leave out `faults` and `advice`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from otp_app.core.delivery import Channel
from otp_app.settings.diagnosis import Diagnosis, UsedTemplate

if TYPE_CHECKING:
    from otp_app.settings import Settings

T = TypeVar("T")


class Parts:
    """What channels are opened with."""

    def __init__(self, settings: Settings, templates: Sequence[UsedTemplate] = ()) -> None:
        self.settings, self.templates = settings, templates
        self._shared: dict[Callable[[Settings], Any], Any] = {}

    def shared(self, opened_by: Callable[[Settings], T]) -> T:
        """Return what a function opens for the settings: the same object for all channels of a provider."""
        if opened_by not in self._shared:
            self._shared[opened_by] = opened_by(self.settings)
        found: T = self._shared[opened_by]
        return found

    def close(self) -> None:
        """Close what is shared, where no channel does that."""
        for shared in self._shared.values():
            shared.close()


class ChannelClass(Channel, Protocol):
    """A channel that is opened from the settings, and says before the first message what they lack."""

    @classmethod
    @abstractmethod
    def open(cls, parts: Parts) -> Channel:
        """Return the channel that the settings describe. Raises ValueError."""

    @classmethod
    def by_name(cls, parts: Parts) -> tuple[Channel, ...]:  # noqa: ARG003
        """Return further channels, which only a request uses that names them. One of OTP_CHANNELS wins over them."""
        return ()

    @classmethod
    def faults(cls, settings: Settings) -> list[str]:  # noqa: ARG003
        """Return a line for each setting without which it cannot send; the line begins with the variable."""
        return []

    @classmethod
    def advice(cls, settings: Settings) -> list[str]:  # noqa: ARG003
        """Return a line for each setting that works and could be better."""
        return []

    @classmethod
    def examine(cls, parts: Parts) -> Iterable[Diagnosis]:  # noqa: ARG003
        """Ask the provider whether it would take messages, for `doctor`. Nothing is changed; never raises."""
        return ()
