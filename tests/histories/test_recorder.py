from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from otp_app.core.codes import FixedCode
from otp_app.core.errors import DeliveryRefused, StoreUnavailable
from otp_app.core.ledger import Origin
from otp_app.core.policy import DAY, HOUR, Policy
from otp_app.core.results import SendRequest
from otp_app.history import gathering, recorder
from otp_app.history.catching_up import GONE
from otp_app.history.database import Database
from otp_app.history.recorder import Recorder
from otp_app.history.writing import erase, forget_old
from tests.core.fakes import PHONE, UNKNOWN, refused, wrong
from tests.histories.recording import NUMBERS, Recording

OTHER = "+447400123456"


def test_the_row_of_an_approved_verification(database: Database) -> None:
    recording = Recording(database)
    world = recording.world
    world.send(purpose="pay", tags={"order": "7"}, origin=Origin("native", "shop"))
    recording.clock.forward(3.0)
    recording.report("delivered")
    recording.clock.forward(9.0)
    world.service().check(wrong(world.code()), phone_number=PHONE, purpose="pay")
    world.service().check(world.code(), phone_number=PHONE, purpose="pay")
    recording.turns()
    (row,) = recording.rows().values()
    assert (row.kind, row.api, row.key_name, row.subject) == ("verification", "native", "shop", "pay")
    assert (row.number, row.shown, row.country, row.prefix) == (NUMBERS.name(PHONE), "+1*******671", "US", "+1415")
    assert (row.channel, row.channels, row.outcome, row.delivery) == ("whatsapp", "whatsapp", "approved", "delivered")
    assert (row.delivered_after, row.approved_after, row.attempts, row.sends) == (3.0, 12.0, 1, 1)
    assert (row.error, row.error_code, row.tags, row.digits) == ("", 0, '{"order":"7"}', 6)
    assert world.code() not in str(row)
    assert PHONE not in str(row)
    recording.check()


def test_a_verification_that_expires_has_a_row_without_any_request(recording: Recording) -> None:
    recording.world.send()
    recording.wait(302.0)
    assert [row.outcome for row in recording.rows().values()] == ["expired"]


def test_one_that_was_never_sent_has_a_row_with_its_error(recording: Recording) -> None:
    """It is in no list of verifications, as it took nothing."""
    for channel in recording.world.channels:
        channel.always = refused()
    with pytest.raises(DeliveryRefused):
        recording.world.send()
    recording.turns()
    (row,) = recording.rows().values()
    assert (row.outcome, row.delivery, row.sends, row.error_code) == ("refused", "refused", 2, 1)
    assert recording.world.ledger().verifications == ()
    recording.check()


def test_a_notification_has_a_row_once_no_message_can_follow(recording: Recording) -> None:
    notification = recording.notifying.send()
    recording.notifying.wait()
    recording.turns()
    assert recording.rows() == {}
    recording.notifying.report(notification, "delivered")
    recording.turns()
    (row,) = recording.rows().values()
    assert (row.id, row.kind, row.subject, row.outcome, row.country) == (
        notification, "notification", "shipped", "delivered", "US"
    )
    recording.check()


def test_a_late_receipt_changes_the_row_and_the_totals(database: Database) -> None:
    recording = Recording(database)
    recording.world.send()
    recording.world.service().check(recording.world.code(), phone_number=PHONE)
    recording.turns()
    recording.clock.forward(60.0)
    recording.report("read")
    recording.turns()
    (row,) = recording.rows().values()
    assert (row.delivery, row.delivered_after) == ("read", 60.0)
    recording.check()


def test_an_older_row_replaces_no_newer_one(recording: Recording) -> None:
    """Another server that writes what it knows, late."""
    behind, slow = recording.recorder, []
    recording.world.send()
    recording.world.service().check(recording.world.code(), phone_number=PHONE)
    slow.append(behind)
    recording.start()
    recording.report("delivered")
    recording.turns()
    recording.turns(behind)
    recording.check()


def test_what_ends_while_the_database_is_away_is_written_later(
    recording: Recording, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of it reaches a request, and the log says so once."""
    recording.database.is_away = True
    with caplog.at_level(logging.INFO, "otp_app"):
        for phone in (PHONE, OTHER):
            recording.world.send(phone)
            recording.world.service().check(recording.world.code(), phone_number=phone)
            assert recording.recorder.turn() in recorder.PAUSES
        assert not recording.recorder.counts().is_available
        recording.database.is_away = False
        recording.turns()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert len(recording.rows()) == 2
    recording.check()


def test_what_has_ended_is_written_while_the_store_is_away(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also at the end of a process, which has one turn for it."""
    recording.world.send()  # watched: the store is asked once its life is over
    recording.turns()
    recording.clock.forward(302.0)
    recording.world.send(OTHER)
    recording.world.service().check(recording.world.code(), phone_number=OTHER)

    def away(key: str) -> bytes:
        raise StoreUnavailable("The store is not available")

    monkeypatch.setattr(recording.world.store, "get", away)
    recording.recorder.turn()
    assert [row.outcome for row in recording.rows().values()] == ["approved"]


def test_a_reading_that_a_fault_ends_is_done_again(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is: what came after it in the store is not lost."""
    recording.world.recorder = None  # a server that was killed before it had written
    recording.world.send()
    recording.world.service().check(recording.world.code(), phone_number=PHONE)

    def broken(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    recording.clock.forward(GONE + 1)
    with monkeypatch.context() as patched:
        patched.setattr("otp_app.history.catching_up.ledger_in", broken)
        with pytest.raises(RuntimeError):
            recording.start()
    recording.turns()
    assert recording.rows() == {}
    recording.clock.forward(recorder.AGAIN_AFTER + 1)
    recording.turns()
    assert [row.outcome for row in recording.rows().values()] == ["approved"]


def test_what_does_not_fit_into_the_memory_is_found_in_the_store(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "MOST_WATCHED", 1)
    monkeypatch.setattr(gathering, "MOST_WAITING", 1)
    monkeypatch.setattr(recorder, "MOST_READ", 1)
    monkeypatch.setattr(recorder, "MOST_CHANGES", 3)
    for number in range(5):
        recording.world.send(f"+44740012345{number}")
    recording.world.service().check(recording.world.code(), phone_number="+447400123454")
    recording.wait(HOUR / 2)
    assert len(recording.rows()) == 5
    recording.check()


def test_the_store_is_read_once_where_several_processes_begin(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, store = [], recording.world.store
    entries = type(store).entries
    monkeypatch.setattr(type(store), "entries", lambda self, prefix: begun.append(prefix) or entries(self, prefix))
    recording.clock.forward(60.0)
    others = [
        Recorder(store, recording.database, NUMBERS, channels=(), clock=recording.clock, retention=DAY)
        for _ in range(3)
    ]
    recording.clock.forward(0.5)
    for other in others:
        recording.turns(other)
    assert begun == ["n:", "m:"]


def test_the_work_of_a_process_that_is_gone_is_taken_over(recording: Recording) -> None:
    """One that was killed, and that nobody begins again, was alone in knowing of a pending verification."""
    staying = recording.recorder
    recording.turns()
    recording.start()
    recording.world.send()
    recording.turns()
    for _ in range(30):
        recording.clock.forward(20.0)
        recording.turns(staying)
    assert [row.outcome for row in recording.rows().values()] == ["expired"]


@pytest.mark.parametrize("ahead", [60.0, 7 * HOUR, 10 * DAY])
def test_a_clock_that_was_ahead_does_not_keep_others_from_reading(recording: Recording, ahead: float) -> None:
    """The mark of whoever read the store then is from the future, once the clock is right again."""
    recording.clock.set(ahead)
    recording.start()
    recording.turns()
    recording.clock.set(-ahead)
    recording.world.send()
    recording.start()  # the one before was killed, and knew alone of what is pending
    recording.turns()
    recording.wait(302.0)
    assert [row.outcome for row in recording.rows().values()] == ["expired"]


class TestAnAnswerOfTheStoreIsLost:
    """It made the change, and the server was told that it failed: the store is read again, and nothing is missing."""

    @pytest.fixture
    def losing(self, recording: Recording) -> Iterator[Recording]:
        """Each answer to a swap is lost while `is_losing`."""
        self.is_losing = False

        def after(verb: str, _: int) -> None:
            if verb == "swap" and self.is_losing:
                raise StoreUnavailable("The store did not answer")

        recording.world.store.after = after
        recording.turns()
        yield recording
        self.is_losing = False
        recording.wait(HOUR)
        recording.check()

    def test_at_a_send(self, losing: Recording) -> None:
        self.is_losing = True
        with pytest.raises(StoreUnavailable):
            losing.world.send()

    def test_at_a_receipt_after_the_end(self, losing: Recording) -> None:
        losing.world.send()
        losing.world.service().check(losing.world.code(), phone_number=PHONE)
        losing.turns()
        self.is_losing = True
        with pytest.raises(StoreUnavailable):
            losing.report("delivered")

    def test_at_a_receipt_of_a_notification(self, losing: Recording) -> None:
        notification = losing.notifying.send()
        losing.notifying.wait()
        self.is_losing = True
        with pytest.raises(StoreUnavailable):
            losing.notifying.report(notification, "delivered")


def test_a_clock_that_is_behind_makes_no_row_of_a_pending_verification(recording: Recording) -> None:
    """After a reboot, until its clock is set: nobody knows how old the codes of before are, so none is taken."""
    recording.world.send()
    recording.clock.reboot(down=-DAY)
    recording.start()
    recording.turns()
    assert [row.outcome for row in recording.rows().values()] == ["expired"]


def test_the_record_of_a_number_stays_for_a_day(recording: Recording) -> None:
    """A test number needs no record for longer than its verifications; the history does, should the server be down."""
    world = recording.world
    world.test_numbers = {PHONE: FixedCode("123456", world.clock.wall + DAY)}
    world.send()
    assert world.store.ttls[-1] == DAY
    world.recorder, world.test_numbers = None, {OTHER: world.test_numbers[PHONE]}
    world.send(OTHER)
    assert world.store.ttls[-1] < DAY


def test_without_a_history_nothing_is_stored_for_it(recording: Recording) -> None:
    recording.world.recorder = None
    recording.world.send(origin=Origin("native", "shop"))
    assert recording.world.ledger().verifications[0].origin is None


def test_old_rows_are_deleted_with_their_totals(database: Database) -> None:
    recording = Recording(database)
    recording.world.send()
    recording.clock.forward(2 * DAY)
    recording.world.send()
    recording.clock.forward(HOUR)
    recording.turns()
    assert len(recording.rows()) == 2
    assert forget_old(database, recording.clock.wall - DAY, recording.clock.wall) == 1
    recording.stored = {id_: kept for id_, kept in recording.stored.items() if id_ in recording.rows()}
    recording.check()


def test_a_number_can_be_erased(database: Database) -> None:
    """The totals still count it."""
    recording = Recording(database, policy=Policy(gaps=()))
    for phone in (PHONE, OTHER):
        recording.world.send(phone)
    recording.wait(HOUR)
    before = recording.totals()
    assert erase(database, NUMBERS.name(PHONE), recording.clock.wall) == 1
    assert [row.number for row in recording.rows().values()] == [NUMBERS.name(OTHER)]
    assert recording.totals() == before


def test_a_server_does_not_write_what_it_holds_of_an_erased_number(recording: Recording) -> None:
    """But that of others, and what begins afterwards. Hours later nothing tells that it was erased."""
    for phone in (PHONE, OTHER):
        approve(recording, phone)
    erase(recording.database, NUMBERS.name(PHONE), recording.clock.wall)
    recording.turns()
    assert [row.number for row in recording.rows().values()] == [NUMBERS.name(OTHER)]
    recording.clock.forward(60)
    approve(recording, PHONE)
    recording.wait(3 * HOUR)
    assert [row.number for row in recording.rows().values()].count(NUMBERS.name(PHONE)) == 1
    with recording.database.inner.writing() as session:
        assert session.rows("SELECT name FROM otp_history_marks WHERE name LIKE ?", ("erased:%",)) == []


def approve(recording: Recording, phone: str) -> None:
    """A code is sent to a number, and right."""
    recording.world.send(phone)
    recording.world.service().check(recording.world.code(), phone_number=phone)


def test_an_unknown_outcome_counts_as_sent(recording: Recording) -> None:
    for channel in recording.world.channels:
        channel.always = UNKNOWN
    recording.world.service().send(PHONE, SendRequest())
    recording.wait(HOUR)
    (row,) = recording.rows().values()
    assert (row.outcome, row.delivery) == ("expired", "unknown")
    recording.check()


def test_what_stays_pending_leaves_nothing_for_the_thread_to_do(recording: Recording) -> None:
    """A wrong code and an outcome are in the record when its life is over, and most requests are such changes."""
    world = recording.world
    world.send()
    recording.turns()
    world.service().check(wrong(world.code()), phone_number=PHONE)
    assert recording.recorder.counts().waiting == 0
    world.service().check(world.code(), phone_number=PHONE)
    assert recording.recorder.counts().waiting == 1
    recording.turns()
    assert [row.attempts for row in recording.rows().values()] == [1]


def test_a_turn_that_comes_late_writes_what_the_store_has_by_then(recording: Recording) -> None:
    """As on a machine that slept: what began and what was no news are taken at once, when the life is over."""
    recording.world.send()
    recording.world.service().check(wrong(recording.world.code()), phone_number=PHONE)
    recording.clock.forward(HOUR)
    recording.turns()
    assert [(row.outcome, row.attempts, row.delivery) for row in recording.rows().values()] == [("expired", 1, "sent")]
