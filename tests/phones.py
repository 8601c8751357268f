"""Phone numbers for tests that talk to a server: each is given out once, so that no limit of one touches another.

They look like numbers in use, or the server would refuse them; the stand-in for Twilio keeps every message.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator


def fresh_numbers(first: int = 5_551_000) -> Iterator[str]:
    """Valid numbers in E.164, upwards from +1415 and seven digits. Many threads may take them at once.

    A generator would fail there ("generator already executing"); `map` over a counter does not.
    """
    return map("+1415{}".format, itertools.count(first))
