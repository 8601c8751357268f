"""Servers of the Connect API in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.web.site import Site

AUTH, OTP = "/auth.AuthService/", "/otp.OtpService/"


class Desk:
    """Calls of RPCs."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def rpc(self, name: str, body: Any, **how: Any) -> TestResponse:
        """One call of auth.AuthService, or of another service by its path. `key`: an API key or a session token."""
        return self.site.post(name if name.startswith("/") else AUTH + name, body, **how)

    def signed_up(self, **how: Any) -> tuple[str, str]:
        """A new user's number and session token."""
        number = self.site.number()
        assert self.rpc("SignupWithPhoneNumber", {"phone_number": number}, **how).status_code == 200
        checked = self.rpc("VerifyPhoneNumber", {"phone_number": number, "otp": self.site.code()}, **how)
        return number, str(checked.json["session_token"])


@pytest.fixture
def open_desk(open_site: Callable[..., Site], tmp_path: Path) -> Callable[..., Desk]:
    """Call it with settings to get a server with the native API beside this one."""
    given = {"otp_apis": ("native", "connect"), "database_url": f"sqlite:///{tmp_path}/accounts.db"}
    return lambda **more: Desk(open_site(**(given | more)))


@pytest.fixture
def desk(open_desk: Callable[..., Desk]) -> Desk:
    """One with the default settings, reached from this machine."""
    return open_desk()
