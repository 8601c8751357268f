"""The settings of the Verify API: its accounts and its services."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

from msgspec import field
from msgspec.structs import replace

from otp_app.core.codes import SID_DIGITS
from otp_app.core.results import PURPOSE
from otp_app.settings.model import ApiModel, Setting
from otp_app.settings.types import names, reject_known

ONE_IS_LEFT = (
    "OTP_VERIFY_ACCOUNTS: one is left, so that any service of it would be for login: name its services in "
    "OTP_VERIFY_SERVICES, or restart"
)
NO_DIGEST = ""  # of an account whose secret is not accepted any more: no secret has it


@dataclass(frozen=True, slots=True)
class VerifyAccount:
    """Credentials for Basic authentication: an account, a user name of it, and the SHA-256 (hex) of its secret."""

    account: str  # AC…
    user: str  # the account itself, or one of its API keys, SK…
    digest: str


@dataclass(frozen=True, slots=True)
class ConfiguredService:
    """What the settings say of a Verify service."""

    purpose: str
    custom_code: bool = False  # callers may choose the code


def verify_accounts(text: str) -> tuple[VerifyAccount, ...]:
    """Read `AC…:sha256hex` (its token) and `AC…/SK…:sha256hex` (an API key's secret), several with commas."""
    accounts = tuple(verify_account(item) for item in names(text))
    if len({account.user for account in accounts}) < len(accounts):
        raise ValueError("an account or key is listed twice")
    reject_known(account.digest for account in accounts)
    return accounts


def verify_account(item: str) -> VerifyAccount:
    """Read `AC…:sha256hex` or `AC…/SK…:sha256hex`."""
    match = re.fullmatch(rf"(AC{SID_DIGITS})(?:/(SK{SID_DIGITS}))?:([0-9a-f]{{64}})", item)
    if match is None:
        raise ValueError("write each as `python -m otp_app keys account` prints it: AC…:SHA256 or AC…/SK…:SHA256")
    return VerifyAccount(match[1], match[2] or match[1], match[3])


def verify_services(text: str) -> dict[str, ConfiguredService]:
    """Read `VA…:purpose` and `VA…:purpose:custom_code`, several with commas."""
    form = rf"(VA{SID_DIGITS}):({PURPOSE.pattern})(:custom_code)?"
    services = [re.fullmatch(form, item) for item in names(text)]
    found = {match[1]: ConfiguredService(match[2], bool(match[3])) for match in services if match}
    if len(found) < len(services):
        raise ValueError(
            "write each once as VA and 32 hex digits, a colon and a purpose (1 to 32 of a-z, 0-9, _, -), followed by "
            ":custom_code where callers may choose codes"
        )
    if any(re.fullmatch(SID_DIGITS, service.purpose) for service in found.values()):
        raise ValueError("a purpose of 32 hex digits is reserved for services made over the API: write another")
    return found


class VerifySettings(ApiModel, frozen=True, kw_only=True):
    """Who may call, and which services there are."""

    api: ClassVar = "verify_v2"
    callers: ClassVar = "OTP_VERIFY_ACCOUNTS (python -m otp_app keys account)"

    otp_verify_accounts: Annotated[tuple[VerifyAccount, ...], Setting(
        "Accounts of [Twilio Verify](verify-v2.md) clients, who use Basic authentication: an account SID and its "
        "token, or an API key and its secret. `python -m otp_app keys account` prints a line.",
        group="Twilio Verify API", form="`AC…:sha256hex`, `AC…/SK…:sha256hex`",
        default="not set: any, on this machine only", read=verify_accounts, secret=True, guard=True,
    )] = ()
    otp_verify_services: Annotated[dict[str, ConfiguredService], Setting(
        "Verify services of every account. A service shares its codes with the other APIs' requests for its purpose; "
        "`custom_code` lets callers choose codes. Without it any SID works, for the purpose `login`, until a service "
        "is made over the API; the SIDs that were used before stay valid.",
        form="`VA…:purpose`, `VA…:purpose:custom_code`", read=verify_services, guard=True,
    )] = field(default_factory=dict)

    @property
    def has_callers(self) -> bool:
        """Whether there are accounts."""
        return bool(self.otp_verify_accounts)

    def narrowed(self, given: Mapping[str, str]) -> Self:
        """Return these settings with accounts that are not named any more shut out.

        What cannot be read names no account; of a list with a faulty item the others count.
        """
        named = set(_readable(given.get("otp_verify_accounts", "")))
        kept = (
            account if account in named else dataclasses.replace(account, digest=NO_DIGEST)
            for account in self.otp_verify_accounts
        )
        return replace(self, otp_verify_accounts=tuple(kept))

    def revoked(self, after: Self) -> list[str]:
        """Return the user names that were shut out."""
        pairs = zip(self.otp_verify_accounts, after.otp_verify_accounts, strict=False)
        return [old.user for old, new in pairs if old != new]

    def reload_faults(self, new: Self) -> list[str]:
        """One account that is left of several would get the services of all."""
        return [ONE_IS_LEFT] if len(self._with_any_service()) > 1 and len(new._with_any_service()) == 1 else []

    def _with_any_service(self) -> set[str]:
        """Return the accounts that may use any Verify service: of several one's own, of the only one for `login`."""
        return set() if self.otp_verify_services else {holder.account for holder in self.otp_verify_accounts}


def _readable(text: str) -> Iterable[VerifyAccount]:
    for item in filter(None, map(str.strip, text.split(","))):
        try:
            yield verify_account(item)
        except ValueError:
            continue  # the fault is reported where the settings are read
