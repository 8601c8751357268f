"""What the operator's pages work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otp_app.apis.operator.pages import Pages
from otp_app.apis.operator.sessions import Sessions
from otp_app.core.policy import Policy

if TYPE_CHECKING:
    from otp_app.history.database import Database
    from otp_app.history.reading import Reader


@dataclass(frozen=True, slots=True)
class Past:
    """The history, for questions of both kinds."""

    reader: Reader
    database: Database


@dataclass(frozen=True, slots=True)
class Operator:
    """`past` is None where no history is kept."""

    sessions: Sessions
    pages: Pages
    policy: Policy
    past: Past | None
