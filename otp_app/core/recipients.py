"""Recipients: whether a number may get one more notification, by what its ledger says. Each count is one swap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

from msgspec.structs import replace

from otp_app.core.codes import LedgerIds, matches
from otp_app.core.errors import HoldsCode, OtpError, RecipientStopped, TooManyNotifications
from otp_app.core.instant import Instant
from otp_app.core.ledger import Ledger, Verification
from otp_app.core.ledgers import Ledgers
from otp_app.core.limits import live_verifications, refuse_blocked
from otp_app.core.notification_templates import digit_groups
from otp_app.core.phone import Phone
from otp_app.core.policy import DAY, Policy
from otp_app.core.refusals import without
from otp_app.core.results import SendRequest

MOST_GROUPS = 5  # of digits that are compared with codes; more of a code's length are refused, unless none is live


class Recipients:
    """What the numbers of notifications share with those of codes: countries, routes, ledgers and live codes."""

    def __init__(
        self,
        ledgers: Ledgers,
        ids: LedgerIds,
        policy: Policy,
        *,
        code_of: Callable[[Ledger, Verification], str],
        phone_of: Callable[[str], Phone],
        channels_for: Callable[[Phone, SendRequest], list[str]],
        fixed_code_of: Callable[[str], str | None],
    ) -> None:
        self._ledgers, self._ids, self._policy, self._code_of = ledgers, ids, policy, code_of
        self.phone, self.channels_for, self._fixed_code_of = phone_of, channels_for, fixed_code_of

    def is_test(self, phone: str) -> bool:
        """Return whether a number (E.164) is one to which no message ever leaves."""
        return self._fixed_code_of(phone) is not None

    def count(self, phone: str, values: Sequence[str], quota: int) -> float:
        """Count a notification to a number (E.164), at most `quota` in a day; return its stamp.

        One whose values hold a live code counts too, so that asking again and again finds no code. Raises
        RecipientStopped, TooManyNotifications (nothing changed), HoldsCode, UnknownKey, Busy, StoreUnavailable.
        """

        def transition(ledger: Ledger | None, now: Instant) -> tuple[Ledger, OtpError | float]:
            mine = ledger if ledger and ledger.phone == phone else Ledger(phone)
            stamp = round(now.wall, 1)
            counted = replace(mine, notified=(*_within_quota(mine, now, quota), stamp))
            if self._hold_code(mine, now, values):
                return counted, HoldsCode("variables: they hold a code: codes are sent by POST /send-otp")
            return counted, stamp

        answer = self._ledgers.change(self._ids.ledger(phone), transition)
        if isinstance(answer, OtpError):
            raise answer
        return answer

    def give_back(self, phone: str, stamp: float) -> None:
        """Take back what `count` has counted: the notification was there already. Raises Busy, StoreUnavailable."""

        def transition(ledger: Ledger | None, _: Instant) -> tuple[Ledger | None, None]:
            if ledger is None or stamp not in ledger.notified:
                return None, None
            return replace(ledger, notified=without(ledger.notified, stamp)), None

        self._ledgers.change(self._ids.ledger(phone), transition)

    def _hold_code(self, ledger: Ledger, now: Instant, values: Sequence[str]) -> bool:
        live = [v for v in live_verifications(ledger, now, self._policy) if not v.provider]
        groups = list(islice(digit_groups(values, (v.digits for v in live)), MOST_GROUPS + 1))
        if len(groups) > MOST_GROUPS:
            return True
        codes = [self._code_of(ledger, v) for v in live] if groups else []
        return any(matches(group, code) for group in groups for code in codes)


def _within_quota(ledger: Ledger, now: Instant, quota: int) -> tuple[float, ...]:
    refuse_blocked(ledger)
    if ledger.stopped:
        raise RecipientStopped("The recipient wrote STOP, and gets no notifications until they write START")
    recent = tuple(stamp for stamp in ledger.notified if now.wall - stamp < DAY)
    if len(recent) >= quota:
        wait = recent[-quota] + DAY - now.wall
        raise TooManyNotifications("This number has had all its notifications for now", max(wait, 1.0), quota, DAY)
    return recent
