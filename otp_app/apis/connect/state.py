"""What the views of the Connect API work with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from otp_app.accounts.service import Accounts


@dataclass(frozen=True, slots=True)
class Connect:
    """`services` are the WSGI applications of connectrpc, by the path that their RPCs have before the last slash."""

    accounts: Accounts
    services: Mapping[str, Any]
