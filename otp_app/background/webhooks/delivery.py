"""Tells the receiver of the events of one verification, in their order, and keeps in the store what it did not take."""

from __future__ import annotations

import secrets as randomness
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from otp_app.background.webhooks.message import body, headers, message_id
from otp_app.background.webhooks.posting import Reply
from otp_app.core import outbox
from otp_app.core.delivery import Channel
from otp_app.core.errors import Busy, StoreUnavailable
from otp_app.core.instant import Clock
from otp_app.core.journal import job_id
from otp_app.core.notebook import Notebook
from otp_app.core.outbox import Box
from otp_app.core.phone import mask
from otp_app.core.policy import HOUR
from otp_app.core.store import Store
from otp_app.system.logs import log, warn_seldom

MOST_LOSSES = 16


class Posts(Protocol):
    """What posts to the receiver; see posting.Poster."""

    def post(self, content: bytes, headers: dict[str, str]) -> Reply:
        """Post once."""


class _State(NamedTuple):
    """What is stored of a verification's events."""

    stored: bytes | None
    box: Box  # with the notes of the ledger
    noted: int  # number of the newest note in the ledger, 0 without one

    @property
    def was_waiting(self) -> bool:
        """Whether the receiver has not taken an earlier event yet, so that a job will try again."""
        return self.stored is not None and bool(_read(self.stored).waiting)


class Deliverer:
    """Delivers at least once. Whoever tells of an event has seen that the ones before it are taken, so a receiver that
    drops repeated ids gets them in order, on however many servers this runs at once.
    """  # fmt: skip

    def __init__(
        self,
        store: Store,
        notebook: Notebook,
        poster: Posts,
        *,
        put: Callable[[str, bytes, float], None],
        secrets: Sequence[bytes],
        channels: Sequence[Channel],
        clock: Clock,
        whole_numbers: bool = False,
        chance: Callable[[], float] = lambda: randomness.randbelow(1000) / 1000,
    ) -> None:
        """`put` is core.jobs.Jobs.put."""
        self._store, self._notebook, self._poster, self._put = store, notebook, poster, put
        self._secrets, self._channels, self._clock = secrets, channels, clock
        self._whole_numbers, self._chance = whole_numbers, chance

    def deliver(self, verification_id: str, *, is_due: bool) -> None:
        """Tell of what is new, and where it `is_due` again of what was not taken before. Raises Busy, StoreUnavailable.

        The ledger is read before the outbox: notes go from there into the outbox before they are cleared, so none is
        missed, and an event is never told before an earlier one that is in the outbox.
        """
        through, reply = 0, None
        for _ in range(MOST_LOSSES):
            state = self._state(verification_id)
            if state is None:
                return
            box = outbox.without_old(outbox.taken(state.box, through), self._clock().wall)
            if reply is None and (is_due or not state.was_waiting):
                through, reply = self._tell(verification_id, box)
                box = outbox.taken(box, through)
            if reply and not reply.taken:
                box = outbox.failed(box)
                self._try_again_later(verification_id, box, reply)
            if self._keep(verification_id, state, box):
                if state.noted:
                    self._notebook.clear(verification_id, state.noted)
                return
        raise Busy("Too many changes of the events of a verification at once")

    def is_owed(self, verification_id: str) -> bool:
        """Return whether events are in the outbox that may still be taken. Raises StoreUnavailable."""
        stored = self._store.get(outbox.key_of(verification_id))
        return stored is not None and bool(_read(stored).waiting)

    def _state(self, verification_id: str) -> _State | None:
        owed = self._notebook.of(verification_id)
        stored = self._store.get(outbox.key_of(verification_id))
        to = (owed.phone if self._whole_numbers else mask(owed.phone)) if owed else ""
        if stored is not None:
            box = outbox.addressed(_read(stored), to)
        elif owed:
            box = Box(to, owed.verification.purpose)
        else:
            return None
        if owed is None:
            return _State(stored, box, 0)
        noted = max((note.number for note in owed.verification.notes), default=0)
        return _State(stored, outbox.added(box, owed.verification), noted)

    def _tell(self, verification_id: str, box: Box) -> tuple[int, Reply | None]:
        """Post the events in order until one is not taken. Return the number of the last that was, and the last reply.

        The reply is None where there was nothing to tell.
        """
        through, reply = 0, None
        for event in box.waiting:
            content = body(verification_id, box, event, self._channels)
            id_ = message_id(verification_id, event)
            reply = self._poster.post(content, headers(self._secrets, id_, self._clock().wall, content))
            if not reply.taken:
                break
            through = event.number
        return through, reply

    def _keep(self, verification_id: str, state: _State, box: Box) -> bool:
        """Store what is left; return whether nobody else has changed it meanwhile."""
        is_needed = box.waiting or box.dead_count
        new = outbox.encode(box) if is_needed else None
        if new == state.stored:
            return True
        won = self._store.swap(outbox.key_of(verification_id), state.stored, new, outbox.lifetime(box)).won
        if won and (died := box.dead_count - _dead_before(state)):
            log.error("events: %d of a verification were not taken and are dead: python -m otp_app events dead", died)
        return won

    def _try_again_later(self, verification_id: str, box: Box, reply: Reply) -> None:
        """Put the job of the next attempt: before the events leave the ledger, so that it is there whenever we die."""
        warn_seldom(f"events: the receiver {reply.why}; its events are kept and sent again later")
        if reply.gone:
            log.error("events: the receiver says that it is gone for good (410): remove OTP_EVENTS_URL, or correct it")
        wait = HOUR if reply.gone else reply.retry_after
        seconds = outbox.pause(box.attempts, self._chance(), wait)
        self._put(job_id(verification_id), verification_id.encode(), seconds)


def _dead_before(state: _State) -> int:
    return _read(state.stored).dead_count if state.stored is not None else 0


def _read(stored: bytes) -> Box:
    try:
        return outbox.decode(stored)
    except ValueError as error:
        raise StoreUnavailable("A record of events in the store cannot be read") from error
