"""What a view needs of its caller, said at the view: @needs("send")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Need:
    """Who may call a view. While no API keys are configured everybody on this machine may."""

    scope: str | None  # of an API key; None: anybody, always
    public: bool = False  # with OTP_PUBLIC=1 a key is not needed
    local: bool = False  # without a key only from this machine
    basic: bool = False  # Basic credentials of OTP_VERIFY_ACCOUNTS, instead of an API key


def needs(
    scope: str | None, *, public: bool = False, local: bool = False, basic: bool = False
) -> Callable[[View], View]:
    """Mark a view with what it needs; guard reads it."""

    def mark(view: View) -> View:
        view.need = Need(scope, public, local, basic)  # type: ignore[attr-defined]
        return view

    return mark
