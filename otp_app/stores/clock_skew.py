"""Whether this machine's clock agrees with that of the store, which all servers share."""

MOST = 1.0  # seconds; a verification that began more than 2 s in the future counts as expired


def clocks_differ(ahead: float) -> list[str]:
    """Return a line for the operator where the clocks differ. `ahead`: seconds by which this machine is ahead."""
    if abs(ahead) <= MOST:
        return []
    return [f"this machine's clock is {ahead:+.1f} s off the store's: other servers' codes may be void here: run NTP"]
