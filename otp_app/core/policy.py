"""The figures of the rules, in one place. Settings fill them; docs/limits.md explains them."""

from __future__ import annotations

from dataclasses import dataclass, replace

HOUR, DAY = 3600.0, 86_400.0


@dataclass(frozen=True, slots=True)
class Policy:
    """How long codes live, and how many attempts and messages are allowed. Times are seconds."""

    ttl: float = 300.0  # life of a code; a resend gives it again …
    max_life: float = 600.0  # … but a verification ends here, resends included
    min_life: float = 60.0  # with less life than this left, a send begins a new verification instead

    length: int = 6
    raised_length: int = 8  # for a number under attack
    max_attempts: int = 5  # compared per verification; resends and restarts give no more
    api_attempts: int = 10  # after which this API compares no more, though others may: each counts them all

    gaps: tuple[float, ...] = (30.0, 60.0, 120.0, 300.0)  # between two messages; the last one repeats
    sends_per_hour: int = 5  # per number, over all purposes, channels and APIs; 0: no limit
    sends_per_day: int = 10
    sends_per_verification: int = 0  # messages of one verification; 0: only the limits of the number
    keyed_reserve: int = 5  # more sends a day for callers with an API key, so that others cannot use up all
    cool_downs: tuple[float, ...] = (30.0, 60.0, 300.0, 900.0, 3600.0)  # after wrong codes ended a verification

    max_purposes: int = 8  # pending at the same time
    tombstone: float = HOUR  # how long a verification can be read after its end
    refusal_memory: float = 600.0  # how long a provider's refusal of a number is believed

    # Risk: the sum, over the wrong attempts of 30 days, of each one's chance to have been right.
    risk_days: int = 30
    risk_raise: float = 40e-6  # from here on new codes have `raised_length` …
    risk_lower: float = 20e-6  # … until the sum is below this
    risk_slow: float = 25e-6  # from here on a code that cannot be longer is sent once a day, for one attempt
    give_back_limit: int = 5  # wrong attempts forgiven in `risk_days`: one per approval (an honest typo)

    new_code_on_resend: bool = False
    once_only: bool = True  # an approved code is not accepted again; False: it is, until it expires
    reused: bool = False  # an API of this server accepts approved codes again, so they count as live until they expire
    report_end_once: bool = False  # the first check after the end is noted, for APIs that report the end once

    @property
    def slow(self) -> Policy:
        """The policy for codes that cannot be longer, of a number at risk."""
        return replace(self, sends_per_day=1, keyed_reserve=0)

    def within(self, attempts: int) -> Policy:
        """The policy with at most so many attempts for a verification; itself for 0."""
        return replace(self, max_attempts=min(self.max_attempts, attempts)) if attempts else self

    @property
    def allowed_attempts(self) -> int:
        """Wrong attempts after which none is compared."""
        return min(self.max_attempts, self.api_attempts)

    def attempts_left(self, attempts: int) -> int:
        """Attempts that are compared after so many wrong ones."""
        return max(self.allowed_attempts - attempts, 0)
