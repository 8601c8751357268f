"""How often a test repeats what must hold every time."""

import os

THOROUGH = os.environ.get("CI") == "true"


def rounds(usual: int, thorough: int) -> int:
    """The second figure with CI=true, where no person waits for the tests."""
    return thorough if THOROUGH else usual
