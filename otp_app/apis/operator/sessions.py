"""Sessions of operators, each in a cookie that this server has signed and nobody else can read from a script.

What signs a session follows from the server's secret keys and from the entry of the API key it was opened with: every
server over the same settings accepts it, and it is good for nothing once that entry is gone or has another secret.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from otp_app.core.codes import LedgerIds, RandomBytes
from otp_app.core.instant import Clock
from otp_app.core.policy import HOUR
from otp_app.core.store import Store
from otp_app.settings.types import KEY_NAME, ApiKey

SCOPE = "admin"
IDLE = HOUR / 2  # seconds without a page after which a session has ended
LONGEST = 12 * HOUR  # seconds after which it has ended whatever was done
AHEAD = 60.0  # seconds by which the clock of another server may be ahead
RENEWED_AFTER = 60.0  # seconds: not every page needs a new cookie

_TOKEN = re.compile(rf"({KEY_NAME.pattern}):([0-9a-f]{{32}}):([0-9]{{1,12}}):([0-9]{{1,12}}):([0-9a-f]{{64}})")


class Session(NamedTuple):
    """An operator who has logged in."""

    key: ApiKey
    id: str
    begun: int  # wall clock, seconds
    seen: int  # when the last page was asked for, as far as the cookie knows


class Sessions:
    """Opens, reads and ends sessions."""

    def __init__(
        self,
        secrets: Mapping[str, bytes],
        keys: Iterable[ApiKey],
        *,
        store: Store,
        ids: LedgerIds,
        clock: Clock,
        random_bytes: RandomBytes,
    ) -> None:
        """`secrets`: the first one signs, each of them is accepted. `keys`: those that the settings have now."""
        self._secrets = tuple(secrets.values())
        self._keys = {key.name: key for key in keys if SCOPE in key.scopes}
        self._store, self._ids, self._clock, self._random_bytes = store, ids, clock, random_bytes

    @property
    def has_keys(self) -> bool:
        """Whether anybody can log in."""
        return bool(self._keys)

    def open(self, key: ApiKey) -> Session:
        """Return a new session."""
        now = int(self._clock().wall)
        return Session(key, self._random_bytes(16).hex(), now, now)

    def renewed(self, session: Session) -> Session | None:
        """Return the session as it is with this page; None where its cookie is new enough."""
        now = int(self._clock().wall)
        return session._replace(seen=now) if now - session.seen >= RENEWED_AFTER else None

    def token(self, session: Session) -> str:
        """Return what the cookie has."""
        said = f"{session.key.name}:{session.id}:{session.begun}:{session.seen}"
        return f"{said}:{self._mac(self._secrets[0], session.key, 'session', said)}"

    def find(self, token: str) -> Session | None:
        """Return the session of a cookie; None where there is none, or none any more. Raises StoreUnavailable."""
        found = _TOKEN.fullmatch(token)
        key = self._keys.get(found[1]) if found else None
        if found is None or key is None or not self._is_ours(key, "session", token[:-65], found[5]):
            return None
        session, now = Session(key, found[2], int(found[3]), int(found[4])), self._clock().wall
        is_late = now - session.seen > IDLE or now - session.begun > LONGEST
        if is_late or session.seen > now + AHEAD or self._store.add(self._ended(session), 0, LONGEST):
            return None
        return session

    def end(self, session: Session) -> None:
        """End a session on all servers of this store, whoever has kept its cookie. Raises StoreUnavailable."""
        self._store.add(self._ended(session), 1, LONGEST)

    def form_token(self, session: Session) -> str:
        """Return what each form of the session has, and no page of another site can know."""
        return self._mac(self._secrets[0], session.key, "form", session.id)

    def is_form_token(self, session: Session, text: str) -> bool:
        """Return whether a form is of this session."""
        return self._is_ours(session.key, "form", session.id, text)

    def _is_ours(self, key: ApiKey, use: str, said: str, mac: str) -> bool:
        given = mac.encode()
        return any(hmac.compare_digest(self._mac(secret, key, use, said).encode(), given) for secret in self._secrets)

    def _mac(self, secret: bytes, key: ApiKey, use: str, said: str) -> str:
        return hmac.new(secret, f"{use}\0{key.digest}\0{said}".encode(), "sha256").hexdigest()

    def _ended(self, session: Session) -> str:
        return self._ids.counter("operator log-out", session.id)
