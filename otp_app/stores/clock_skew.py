"""Whether this machine's clock agrees with that of the store, which all servers share."""

MOST = 1.0  # seconds; a ledger that begins more than 2 s in the future is taken for one whose clock was set back


def clocks_differ(ahead: float) -> list[str]:
    """Return the line for the operator, if there is need of one. `ahead`: seconds that this machine is before."""
    if abs(ahead) <= MOST:
        return []
    return [f"this machine's clock is {ahead:+.1f} s off the store's: other servers' codes may be void here: run NTP"]
