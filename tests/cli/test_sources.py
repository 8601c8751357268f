"""How a command names what it looks at."""

from __future__ import annotations

import pytest

from otp_app.cli.sources import without_secrets


@pytest.mark.parametrize(("url", "shown"), [
    ("postgresql://otp:SECRET?@host:5432/otp", "postgresql://host:5432/otp"),
    ("postgresql://otp:SEC?RET@host/otp?sslmode=require", "postgresql://host/otp"),
    ("postgresql://host/otp?password=SEC@RET", "postgresql://…"),
    ("postgresql://host?password=SEC@RET", "postgresql://…"),
    ("postgresql://otp:SEC/RET@host/otp", "postgresql://…"),
    ("postgresql://otp:SEC@RET@host/otp", "postgresql://host/otp"),
    ("postgresql:///otp?user=otp&password=SECRET", "postgresql:///otp"),
    ("redis://:SECRET@10.0.0.5:6379/0?socket_timeout=1", "redis://10.0.0.5:6379/0"),
    ("redis://:SEC?RET@host/0", "redis://…"),
    ("redis://host?password=SEC@RET", "redis://…"),
    ("redis+sentinel://otp:SECRET@one:26379,two:26379/main", "redis+sentinel://one:26379,two:26379/main"),
    ("unix:///run/redis.sock?password=SECRET", "unix:///run/redis.sock"),
    ("sqlite:////var/lib/a@b/otp.db?synchronous=OFF", "sqlite:////var/lib/a@b/otp.db"),
    ("package.module:Store?password=SECRET", "package.module:Store"),
    ("memory://", "memory://"),
])  # fmt: skip
def test_a_password_is_not_shown(url: str, shown: str) -> None:
    """Wherever it may end for one of the programs that read such a URL."""
    assert without_secrets(url) == shown
