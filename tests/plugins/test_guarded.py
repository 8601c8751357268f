"""Channels, directories and stores of an operator's own: what they do against their contract is a fault of theirs."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from otp_app.apis.users.directories import open_directory
from otp_app.channels import UNEXPLAINED, open_channels, unopened
from otp_app.core.delivery import Delivery, ErrorClass, Explanation, Message, Outcome, Reason, explain
from otp_app.core.errors import ChannelDown, DirectoryUnavailable, StoreUnavailable
from otp_app.core.moving import Item, Movable
from otp_app.core.store import Swap
from otp_app.settings import Settings
from otp_app.stores import open_store
from otp_app.stores.memory import MemoryStore
from tests.plugins.rude import ERRORS

MESSAGE = Message("+14155552671", "123456", "123456 is your code", 300.0, "VL1", "VE1")


def failing(error: BaseException):
    def fail(*_: object) -> object:
        raise error

    return fail


def returning(answer: object):
    return lambda *_: answer


#: what a method does -> whether every contract takes that for a fault
FAULTS = {name: failing(error) for name, error in ERRORS.items()} | {"an int": returning(7.5), "a list": returning([7])}


@pytest.fixture
def operators(monkeypatch):
    """Call it with what an operator's class makes; its module is `operators`."""

    def install(made: object) -> None:
        channel_class = type("Channel", (), {"open": staticmethod(lambda parts: made)})
        module = SimpleNamespace(Channel=channel_class, Part=lambda *_, **__: made)
        monkeypatch.setitem(sys.modules, "operators", module)

    return install


def channel(operators, **methods):
    parts = dict.fromkeys(("deliver", "ping", "close"), returning(None)) | {"name": "own", "landlines": False}
    operators(SimpleNamespace(**parts | methods))
    return open_channels(Settings(otp_channels=("operators:Channel",)))[0]


def directory(operators, **methods):
    operators(SimpleNamespace(**{"phone": returning(None), "close": returning(None)} | methods))
    return open_directory("operators:Part")


def store(operators, **methods):
    made = MemoryStore()
    vars(made).update(methods)
    operators(made)
    return open_store("operators:Part")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_message_may_have_left_a_channel_that_fails(operators, fault):
    """So the outcome is unknown, and the next channel is not tried."""
    assert channel(operators, deliver=FAULTS[fault]).deliver(MESSAGE) == Delivery(Outcome.UNKNOWN)


@pytest.mark.parametrize(
    "delivery",
    [
        None,
        Delivery("posted"),  # type: ignore[arg-type]
        Delivery(Outcome.REFUSED, reason="rainy"),  # type: ignore[arg-type]
        Delivery(Outcome.SENT, provider_id=7),  # type: ignore[arg-type]
        Delivery(Outcome.REFUSED, reason=Reason.THROTTLED, retry_after="soon"),  # type: ignore[arg-type]
        Delivery(Outcome.REFUSED, reason=Reason.THROTTLED, retry_after=float("nan")),
        Delivery(Outcome.REFUSED, reason=Reason.THROTTLED, retry_after=[]),  # type: ignore[arg-type]
        Delivery(Outcome.REFUSED, reason=Reason.THROTTLED, retry_after=-1.0),
        Delivery(Outcome.REFUSED, reason=Reason.THROTTLED, retry_after=1e300),
        Delivery(Outcome.REFUSED, reason=Reason.THROTTLED, provider_code=10**20),
    ],
    ids=str,
)
def test_a_delivery_that_nothing_knows_is_a_fault(operators, delivery):
    """Answers are built of it, so each field is looked at."""
    assert channel(operators, deliver=returning(delivery)).deliver(MESSAGE) == Delivery(Outcome.UNKNOWN)


def test_what_a_channel_may_answer_comes_through(operators):
    """Its deliveries, and ChannelDown with its own text."""
    refused = Delivery(Outcome.REFUSED, reason=Reason.THROTTLED, provider_code=1, retry_after=2.5)
    own = channel(operators, deliver=returning(refused), ping=failing(ChannelDown("no paper")))
    assert own.deliver(MESSAGE) is refused
    with pytest.raises(ChannelDown, match="no paper"):
        own.ping()


@pytest.mark.parametrize("answer", [
    *FAULTS.values(), returning(None), returning(Explanation("?", "", True)),  # type: ignore[arg-type]
    returning(Explanation(ErrorClass.RATE, None, True)),  # type: ignore[arg-type]
    returning(Explanation(ErrorClass.RATE, "", True, None)),  # type: ignore[arg-type]
    returning(Explanation(ErrorClass.RATE, "", None)),  # type: ignore[arg-type]
])  # fmt: skip
def test_a_channel_that_explains_nothing_leaves_the_error_unknown(operators, answer):
    """A timeline is shown with it, and a receipt noted, all the same."""
    assert channel(operators, explain=answer).explain(7) == UNEXPLAINED


def test_what_a_channel_explains_comes_through(operators):
    """And one that has no such method is not asked."""
    meaning = Explanation(ErrorClass.RATE, "wait", elsewhere=True)
    assert explain([channel(operators, explain=returning(meaning))], "own", 7) == meaning
    assert explain([channel(operators)], "own", 7) is None


@pytest.mark.parametrize("fault", FAULTS)
def test_a_directory_that_fails_is_not_available(operators, fault):
    """That is no user without a number, and no error of the server."""
    with pytest.raises(DirectoryUnavailable):
        directory(operators, phone=FAULTS[fault]).phone("ann")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("method", "arguments"),
    [("get", ("k",)), ("swap", ("k", None, b"x", 1.0)), ("add", ("k", 1, 1.0)), ("sweep", (1,))],
)
def test_a_store_that_fails_is_not_available(operators, method, arguments, fault):
    """Whatever the method; nothing is taken for absent."""
    with pytest.raises(StoreUnavailable):
        getattr(store(operators, **{method: FAULTS[fault]}), method)(*arguments)


@pytest.mark.parametrize("swap", [(True, b"x"), Swap(1, b"x"), Swap(True, "x")], ids=repr)  # type: ignore[arg-type]
def test_a_swap_that_does_not_say_who_won_is_a_fault(operators, swap):
    """A code is used up by it, so no other value may pass for won."""
    with pytest.raises(StoreUnavailable):
        store(operators, swap=returning(swap)).swap("k", None, b"x", 1.0)


def test_a_scan_may_fail_on_the_way(operators):
    """What came before has come; the rest is a fault, not the end."""

    def scan():
        yield Item("k", b"x", 1.0)
        raise SystemExit(3)

    items = store(operators, scan=scan).scan()
    assert next(items).key == "k"
    with pytest.raises(StoreUnavailable):
        next(items)


def test_a_store_can_only_be_moved_if_its_class_can(operators):
    """The wrapper adds no method."""
    assert not isinstance(store(operators), Movable)


@pytest.mark.parametrize("fault", ERRORS)
def test_closing_goes_on(operators, fault):
    """One part that fails does not keep the others open."""
    for make in (channel, directory, store):
        make(operators, close=FAULTS[fault]).close()


async def later(*_: object) -> None:
    """Never runs."""


def generator(*_: object):
    yield


@pytest.mark.parametrize(
    ("method", "says"),
    [
        (None, "no method deliver"),
        (7, "no method deliver"),
        (later, "deliver is async"),
        (generator, "deliver is async or a generator"),
        (lambda: None, "deliver must take 1 argument"),
    ],
)
def test_a_method_that_cannot_be_called_is_found_at_the_start(operators, method, says):
    """In one line that names the class; `check` shows it."""
    with pytest.raises(ValueError, match=says) as caught:
        channel(operators, deliver=method)
    assert unopened(Settings(otp_channels=("operators:Channel",))) == [str(caught.value)]


@pytest.mark.parametrize("given", [{"name": ""}, {"name": 7}, {"landlines": None}], ids=str)
def test_a_channel_says_its_name_and_reach(operators, given):
    """Callers name it, and numbers are sorted by it."""
    with pytest.raises(ValueError, match="its name must be a text, and its landlines True or False"):
        channel(operators, **given)
