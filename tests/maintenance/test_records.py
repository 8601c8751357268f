"""Walking the records of a store: which verifications are listed, and when a number is quiet enough to forget."""

from contextlib import closing

import pytest
from msgspec.structs import replace

from otp_app.core.codes import LedgerIds
from otp_app.core.instant import Instant
from otp_app.core.ledger import Inbound, Ledger, Send, Status, Verification
from otp_app.core.ledger_json import encode
from otp_app.core.moving import Item
from otp_app.core.policy import DAY
from otp_app.maintenance import records
from otp_app.stores import open_store
from otp_app.stores.sqlite.store import SqliteStore

NOW = Instant(1_750_000_000.0, "boot", 5000.0)
TODAY = int(NOW.wall // DAY)
EVERY_STORE = pytest.mark.parametrize("store", ["sqlite", "redis", "postgres"], indirect=True)


def verification(number=1, age=0.0, **more):
    """One that began so many seconds ago."""
    begun = Instant(NOW.wall - age, NOW.boot, NOW.uptime - age)
    return Verification(f"VE{number:032x}", "login", "k1", 6, begun, 300.0, **more)


def ledger(*verifications, **more):
    return Ledger("+14155552671", verifications, **more)


def quiet(days):
    """The ledger of a number that guessed wrong and was approved so many days ago."""
    at = NOW.wall - days * DAY
    over = verification(age=days * DAY, status=Status.APPROVED, ended_at=at)
    return ledger(over, sent=(at,), last_send=at, risk=((int(at // DAY) - 1, 10_000),))


@pytest.fixture
def store(request, new_store):
    """An empty store; SQLite where the test names no kind."""
    with closing(open_store(new_store(getattr(request, "param", "sqlite")))) as store:
        yield store


def keep(store, **ledgers):
    """Put ledgers there by the last part of their key."""
    store.load([Item(f"n:{name}", encode(ledger), 3600.0) for name, ledger in ledgers.items()])


def keys(store):
    return {item.key for item in store.scan()}


# ---- which key it was used with

NAMES, OTHERS = LedgerIds(b"1" * 32, bytes), LedgerIds(b"2" * 32, bytes)


@EVERY_STORE
def test_records_of_another_index_key_are_noticed(store, monkeypatch):
    """Among records of this one too, and behind more of other kinds than a start looks at; an empty store has none."""
    monkeypatch.setattr(records, "MOST_LOOKED_AT", 3)
    assert records.owners(store, NAMES) == (0, 0)
    store.load([Item(f"{kind}:{n}", value, 3600.0) for n in range(3) for kind, value in (("i", b"{}"), ("l", 1))])
    own, other = (Ledger(phone, ()) for phone in ("+14155552671", "+14155552672"))
    store.load([Item(NAMES.ledger(own.phone), encode(own), 3600.0)])
    assert records.owners(store, NAMES) == (1, 0)
    store.load([Item(OTHERS.ledger(other.phone), encode(other), 3600.0)])
    assert records.owners(store, NAMES) == (1, 1)


def test_the_record_of_a_word_is_of_the_key_that_named_it(store):
    """Its number, which may be unknown, says nothing of its key."""
    for names, word in ((NAMES, "ours"), (OTHERS, "theirs")):
        key = names.ledger_of_word(word)
        waiting = replace(verification(), id=names.new_verification(key), inbound=Inbound())
        keep(store, **{key.removeprefix("n:"): Ledger("", (waiting,))})
    assert records.owners(store, NAMES) == (1, 1)


# ---- when something last happened


@pytest.mark.parametrize(
    ("remembered", "at"),
    [
        (ledger(), 0.0),
        (ledger(last_send=5.0, exhausted_at=3.0), 5.0),
        (ledger(last_send=5.0, notified=(7.0, 8.0)), 8.0),
        (ledger(last_send=3.0, exhausted_at=5.0), 5.0),
        (ledger(sent=(1.0, 7.0)), 7.0),
        (ledger(refusals=(("sms", 9.0, "blocked"), ("whatsapp", 8.0, "blocked"))), 9.0),
        (ledger(verification(age=100)), NOW.wall + 200),
        (ledger(verification(age=100, ended_at=NOW.wall + 900)), NOW.wall + 900),
        (ledger(verification(sends=(Send("VL1", "sms", NOW.wall + 400),))), NOW.wall + 400),
        (ledger(verification(age=DAY), verification(age=0)), NOW.wall + 300),
    ],
)
def test_the_last_event_is_the_latest_of_all(remembered, at):
    """Messages, refusals, deaths, and each verification's end; a code that lives has not ended."""
    assert records.last_event(remembered) == at


@pytest.mark.parametrize("remembered", [{"risk": ((1, 5), (3, 5))}, {"given_back": (0, 3)}])
def test_of_a_wrong_attempt_the_day_alone_is_known(remembered):
    """It counts as made when the day ended: a number is never forgotten too early."""
    assert records.last_event(ledger(**remembered)) == 4 * DAY


# ---- forgetting


@EVERY_STORE
def test_quiet_numbers_are_forgotten(store):
    """Nothing else: not the busy ones, not what rests beside them."""
    keep(store, a=quiet(8), b=quiet(6), c=quiet(0), d=ledger(verification()))
    store.swap("i:1", None, b"an answer", 3600.0)
    store.add("l:client", 1, 3600.0)
    store.add("n:a", 1, 3600.0)
    assert records.purge(store, NOW.wall - 7 * DAY, dry_run=False) == (1, 1)
    assert keys(store) == {"n:a", "n:b", "n:c", "n:d", "i:1", "l:client"}
    assert store.get("n:a") is None  # what is left there is the counter


def test_a_dry_run_forgets_nothing(store):
    """It counts."""
    keep(store, a=quiet(9), b=quiet(8), c=quiet(0))
    assert records.purge(store, NOW.wall - 2 * DAY, dry_run=True) == (2, 0)
    assert keys(store) == {"n:a", "n:b", "n:c"}


class Busy(SqliteStore):
    """A message goes to each number between the look at its record and what follows."""

    def entries(self, prefix):
        for item in super().entries(prefix):
            self.swap(item.key, item.value, encode(quiet(0)), 3600.0)
            yield item


def test_a_number_that_becomes_busy_is_kept(tmp_path):
    """Its new message counts, as if nobody had been about to forget it."""
    with closing(Busy(f"sqlite:///{tmp_path}/otp.db")) as store:
        keep(store, a=quiet(9))
        assert records.purge(store, NOW.wall - DAY, dry_run=False) == (1, 0)
        assert store.get("n:a") == encode(quiet(0))


def test_what_cannot_be_read_is_kept(store):
    """It may be of a newer version."""
    store.swap("n:a", None, b"\xff", 3600.0)
    assert records.purge(store, NOW.wall, dry_run=False) == (0, 0)


def test_a_number_whose_user_wrote_stop_is_kept(store):
    """However long ago: forgotten, it would get notifications again."""
    keep(store, a=ledger(stopped=NOW.wall - 900 * DAY), b=quiet(900))
    assert records.purge(store, NOW.wall, dry_run=False) == (1, 1)
    assert keys(store) == {"n:a"}
    assert keys(store) == {"n:a"}


# ---- listing


@EVERY_STORE
def test_pending_ones_are_listed_first(store):
    """Each kind newest first, whatever number they are of."""
    keep(
        store,
        a=ledger(verification(1, 400), verification(2, 100)),
        b=ledger(verification(3, 50, status=Status.APPROVED, ended_at=NOW.wall), verification(4, 20)),
    )
    found, unreadable = records.listing(store, NOW)
    order = [(4, "pending"), (2, "pending"), (3, "approved"), (1, "expired")]
    assert [(v.verification_id, v.status) for v in found] == [(f"VE{n:032x}", status) for n, status in order]
    assert unreadable == 0


def test_what_is_listed_of_a_verification(store):
    """Its number is masked."""
    sends = (Send("VL1", "whatsapp", NOW.wall), Send("VL2", "sms", NOW.wall))
    keep(store, a=ledger(verification(1, 60, attempts=2, sends=sends)))
    assert records.listing(store, NOW).verifications == [
        (f"VE{1:032x}", "+1*******671", "login", "pending", NOW.wall - 60, ("whatsapp", "sms"), 2)
    ]


class Doubling(SqliteStore):
    """Brings every record twice, as Redis may."""

    def entries(self, prefix):
        for item in super().entries(prefix):
            yield from (item, item)


def test_what_a_scan_brings_twice_counts_once(tmp_path):
    """Verifications, and what cannot be read, and quiet numbers."""
    with closing(Doubling(f"sqlite:///{tmp_path}/otp.db")) as store:
        keep(store, a=quiet(9))
        store.swap("n:b", None, b"\xff", 3600.0)
        found, unreadable = records.listing(store, NOW)
        assert (len(found), unreadable) == (1, 1)
        assert records.purge(store, NOW.wall - DAY, dry_run=True).quiet == 1
        assert records.purge(store, NOW.wall - DAY, dry_run=False) == (1, 1)


def test_counters_and_answers_are_no_numbers(store):
    """Whatever their keys."""
    store.add("n:a", 1, 3600.0)
    store.swap("i:1", None, encode(quiet(9)), 3600.0)
    assert records.listing(store, NOW) == ([], 0)
