"""The settings of the users API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from otp_app.settings.model import ApiModel, Setting


class UsersSettings(ApiModel, frozen=True, kw_only=True):
    """Where the phone numbers of users are, and the store as older set-ups of this API name it."""

    api: ClassVar = "users"

    otp_directory_url: Annotated[str, Setting(
        "Where the `users` API finds the phone number of a user.", group="Users API",
        form="`file:users.csv` or another [directory](directory.md)", secret=True,
    )] = ""
    otp_users_expose_phone: Annotated[bool, Setting("1: the `users` API answers with whole phone numbers.")] = False
    redis_host: Annotated[str, Setting(
        "Host of a Redis that is the store where `OTP_STORE_URL` is not set. A Redis with a password needs "
        "`OTP_STORE_URL`.", always=True,
    )] = ""
    redis_port: Annotated[str, Setting("Port of that Redis.", default="`6379`", always=True)] = ""
    redis_db: Annotated[str, Setting("Database number in that Redis.", default="`0`", always=True)] = ""

    @classmethod
    def implied(cls, given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Return the URL of the Redis that older set-ups name in three variables, and the faults of these."""
        host, port, db = (given.get(f"redis_{name}", "") for name in ("host", "port", "db"))
        if not host or "otp_store_url" in given:  # a port alone may be a variable of another program
            return {}, {}
        numbers = {"REDIS_PORT": port, "REDIS_DB": db}
        faults = {variable: "write a number" for variable, text in numbers.items() if not _is_number(text)}
        if faults:
            return {}, faults
        return {"otp_store_url": f"redis://{f'[{host}]' if ':' in host else host}:{port or 6379}/{db or 0}"}, {}


def _is_number(text: str) -> bool:
    return not text or (text.isascii() and text.isdecimal())
