"""Verify services: those of the settings, those that were made, and who answers while there are none."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from threading import Barrier, Thread
from typing import Any

import pytest

from otp_app.apis.verify_v2.service_registry import (
    ENTRY,
    AccountServices,
    ServiceFixed,
    ServiceNotFound,
    TooManyServices,
    VerifyService,
    VerifyServices,
)
from otp_app.core.errors import Busy, InvalidInput, StoreUnavailable
from otp_app.core.store import Store, Swap
from otp_app.core.swapping import MOST_LOSSES
from otp_app.stores.memory import MemoryStore
from tests.core.fakes import DictStore, FakeClock

ANY, OTHER = "VA" + "a" * 32, "VA" + "b" * 32
ALICE, BOB = "AC" + "1" * 32, "AC" + "2" * 32
LOGIN = VerifyService(ANY, "login", "login")
YEAR = 365 * 86_400.0


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still until a test moves it."""
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> DictStore:
    return DictStore(clock)


def services_of(account: str, store: Store, clock: FakeClock, *configured: VerifyService) -> AccountServices:
    """Those of one of two accounts, or ("") of a server without accounts."""
    accounts = (ALICE, BOB) if account else ()
    return VerifyServices(store, clock, secrets.token_bytes, configured, accounts).of(account)


@pytest.fixture
def catalogue(store: DictStore, clock: FakeClock) -> AccountServices:
    return services_of("", store, clock)


@pytest.fixture
def configured(store: DictStore, clock: FakeClock) -> AccountServices:
    """One with a service in the settings, on the same store."""
    return services_of("", store, clock, LOGIN)


# ---- who answers


def test_while_there_is_none_every_sid_is_one(catalogue: AccountServices) -> None:
    assert catalogue.find(ANY) == VerifyService(ANY, "login", "login")


@pytest.mark.parametrize("sid", [
    "", "VA", ANY[:-1], f"{ANY}a", f"{ANY}\n", "VE" + "a" * 32, "va" + "a" * 32, "VA" + "A" * 32, "VA" + "g" * 32,
])  # fmt: skip
def test_what_is_no_sid_is_no_service(catalogue: AccountServices, sid: str) -> None:
    assert catalogue.find(sid) is None


def test_from_the_first_one_on_only_known_ones_answer(catalogue: AccountServices) -> None:
    made = catalogue.create(name="Shop")
    assert catalogue.find(made.sid) == made
    assert catalogue.find(ANY) is None


def test_configured_ones_shut_out_the_others(configured: AccountServices) -> None:
    """Their name is their purpose."""
    assert configured.find(ANY) == VerifyService(ANY, "login", "login")
    assert configured.find(OTHER) is None


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_service_in_use_stays_when_others_are_made(catalogue: AccountServices, store: DictStore, when: str) -> None:
    """It is noted as it sends, also where another server makes a service at that moment, and is listed."""
    service = found(catalogue, ANY)
    assert service.unnoted
    if when == "before":
        catalogue.note_use(service)
    made = catalogue.create(name="Shop")
    if when == "meanwhile":
        catalogue.note_use(service)
    assert found(catalogue, ANY) == service
    assert not found(catalogue, ANY).unnoted
    assert catalogue.find(OTHER) is None
    assert catalogue.known() == [service, made]


def test_a_service_in_use_is_noted_once(catalogue: AccountServices, store: DictStore) -> None:
    service = found(catalogue, ANY)
    catalogue.note_use(service)
    store.calls.clear()
    catalogue.note_use(service)
    assert store.calls == ["get"]


def test_the_last_eight_in_use_are_noted(catalogue: AccountServices) -> None:
    """Whoever makes up SIDs takes no more room; what was changed of one is never forgotten for that."""
    sids = [f"VA{n:032x}" for n in range(10)]
    catalogue.update(sids[0], custom_code=True)
    for sid in sids[1:]:
        catalogue.note_use(found(catalogue, sid))
    catalogue.create(name="Shop")
    assert [sid for sid in sids if catalogue.find(sid)] == [sids[0], *sids[2:]]


def found(catalogue: AccountServices, sid: str) -> VerifyService:
    service = catalogue.find(sid)
    assert service is not None
    return service


# ---- accounts


def test_an_account_takes_no_room_of_another(store: DictStore, clock: FakeClock) -> None:
    fill(services_of(ALICE, store, clock), name="x")
    assert services_of(BOB, store, clock).create(name="Shop").name == "Shop"


def test_any_sid_of_one_account_is_not_that_of_another(store: DictStore, clock: FakeClock) -> None:
    """While none is configured: the same SID stands for verifications of their own. A single account has `login`."""
    both = [services_of(account, store, clock) for account in (ALICE, BOB)]
    purposes = {found(services, sid).purpose for services in both for sid in (ANY, OTHER)}
    assert len(purposes) == 4
    assert "login" not in purposes
    alone = VerifyServices(store, clock, secrets.token_bytes, accounts=[ALICE]).of(ALICE)
    assert found(alone, ANY).purpose == "login"


def test_services_made_without_accounts_are_of_none(
    catalogue: AccountServices, store: DictStore, clock: FakeClock
) -> None:
    """Once accounts are configured: credentials that were not looked at say nothing about who made them."""
    made = catalogue.create(name="Shop")
    for accounts in ([ALICE], [ALICE, BOB]):
        assert VerifyServices(store, clock, secrets.token_bytes, accounts=accounts).of(ALICE).find(made.sid) is None
    assert catalogue.known() == [made]


def test_a_configured_service_is_there_for_all(store: DictStore, clock: FakeClock) -> None:
    """Whether it takes codes of callers is what the settings say, until an account chooses for itself."""
    alice, bob = (services_of(account, store, clock, LOGIN) for account in (ALICE, BOB))
    changed = alice.update(ANY, custom_code=True, name="login", code_length=6)
    assert alice.whole(ANY) == alice.known()[0] == changed == replace(LOGIN, custom_code=True)
    assert bob.whole(ANY) == bob.known()[0] == LOGIN
    assert alice.update(ANY, custom_code=False) == alice.whole(ANY) == LOGIN


@pytest.mark.parametrize("choice", [{"name": "Mine"}, {"code_length": 8}, {"do_not_share": True}], ids=str)
def test_nothing_else_of_a_configured_service_is_changed(
    store: DictStore, clock: FakeClock, choice: dict[str, object]
) -> None:
    alice = services_of(ALICE, store, clock, LOGIN)
    with pytest.raises(ServiceFixed):
        alice.update(ANY, custom_code=True, **choice)
    assert store.values == {}


def test_a_deleted_one_stays_gone(catalogue: AccountServices) -> None:
    """Also the last one: there was one, so not every SID is one again."""
    made = catalogue.create(name="Shop")
    catalogue.delete(made.sid)
    assert catalogue.find(made.sid) is None
    assert catalogue.find(ANY) is None
    assert catalogue.known() == []


# ---- making and changing


def test_a_made_service_has_a_purpose_of_its_own(catalogue: AccountServices, clock: FakeClock) -> None:
    """Its hex digits, so that no other service takes its codes."""
    first, second = catalogue.create(name="Shop"), catalogue.create(name="Shop", code_length=4, do_not_share=True)
    assert (first.purpose, second.purpose) == (first.sid[2:], second.sid[2:])
    assert first.sid != second.sid
    assert (second.code_length, second.do_not_share, second.custom_code) == (4, True, False)
    assert first.created == first.updated == int(clock.wall)


@pytest.mark.parametrize("choice", [
    *({"name": name} for name in ("", "x" * 31, "a\nb", "a\0", "shop.example", "a/b", "call 12345", "²" * 5)),
    {"code_length": 3}, {"code_length": 11},
], ids=str)  # fmt: skip
def test_what_nobody_can_choose_is_refused(catalogue: AccountServices, choice: dict[str, object]) -> None:
    """In a new service and in a change; nothing is kept of it."""
    made = catalogue.create(name="Shop")
    with pytest.raises(InvalidInput):
        catalogue.create(**{"name": "Other"} | choice)
    with pytest.raises(InvalidInput):
        catalogue.update(made.sid, **choice)
    assert catalogue.known() == [made]


@pytest.mark.parametrize("name", ["x" * 30, "Bücher-Shop_24 h7", "1234"])
def test_a_name_that_can_stand_in_messages(catalogue: AccountServices, name: str) -> None:
    """30 characters, letters of any script, four digits."""
    assert catalogue.create(name=name).name == name


def test_only_a_made_service_is_not_configured(configured: AccountServices, catalogue: AccountServices) -> None:
    """One of the settings is, and one that answers while there is none, whatever its name."""
    assert [service.configured for service in (configured.known()[0], catalogue.find(ANY)) if service] == [True] * 2
    made = configured.create(name="x")
    assert not made.configured
    assert not configured.update(made.sid, name=made.purpose[:1] + "-").configured


@pytest.mark.parametrize("which", ["configured", "catalogue"])
def test_what_was_not_made_here_cannot_be_changed(which: str, request: pytest.FixtureRequest, store: DictStore) -> None:
    """Neither those of the settings, nor those that answer only because there is none; nothing is written."""
    services = request.getfixturevalue(which)
    with pytest.raises(ServiceFixed):
        services.update(ANY, name="Other")
    with pytest.raises(ServiceFixed):
        services.delete(ANY)
    assert store.values == {}


def test_what_there_is_not_cannot_be_changed(configured: AccountServices) -> None:
    gone = configured.create(name="Shop").sid
    configured.delete(gone)
    for sid in (OTHER, gone, "nonsense"):
        with pytest.raises(ServiceNotFound):
            configured.update(sid, name="Other")
        with pytest.raises(ServiceNotFound):
            configured.delete(sid)


def fill(catalogue: AccountServices, **choices: Any) -> list[VerifyService]:
    """Make services until there is no room for another."""
    made: list[VerifyService] = []
    with suppress(TooManyServices):
        made.extend(catalogue.create(**choices) for _ in range(200))
    return made


def test_there_is_room_for_forty(catalogue: AccountServices, store: DictStore) -> None:
    """With the longest names in Latin letters; one that has no room is refused, and the entry fits every store."""
    made = fill(catalogue, name="x" * 30, code_length=10)
    assert 40 <= len(made) < 200
    assert catalogue.known() == made
    assert len(store.peek(ENTRY) or b"") <= 8192
    catalogue.delete(made[0].sid)
    assert catalogue.create(name="x").name == "x"


def test_names_in_wide_letters_never_break_the_bound(catalogue: AccountServices, store: DictStore) -> None:
    """A change can need more room as well: it is refused, and the service stays as it was."""
    made = fill(catalogue, name="x")

    def widen() -> None:
        for service in made:
            catalogue.update(service.sid, name="\N{CJK UNIFIED IDEOGRAPH-20000}" * 30)

    with pytest.raises(TooManyServices):
        widen()
    assert catalogue.known()[-1] == made[-1]
    assert len(store.peek(ENTRY) or b"") <= 8192


# ---- what rests


def test_services_outlive_their_makers(catalogue: AccountServices, store: DictStore, clock: FakeClock) -> None:
    """Years without a change, and for every server on this store."""
    made = catalogue.create(name="Bücher", custom_code=True)
    clock.forward(50 * YEAR)
    assert services_of("", store, clock).find(made.sid) == made


def test_what_a_newer_version_wrote_stays(catalogue: AccountServices, store: DictStore, clock: FakeClock) -> None:
    """Its number and the fields that are not known here, whatever is changed beside them."""
    made = catalogue.create(name="Shop")
    record = json.loads(store.values[ENTRY][0])
    record |= {"format": 2, "more": [1]}
    record["services"][made.sid]["colour"] = "red"
    store.values[ENTRY] = (json.dumps(record).encode(), clock.wall + YEAR)
    catalogue.update(made.sid, name="After")
    catalogue.create(name="Other")
    kept = json.loads(store.values[ENTRY][0])
    assert (kept["format"], kept["more"], kept["services"][made.sid]["colour"]) == (2, [1], "red")
    assert kept["services"][made.sid]["name"] == "After"


@pytest.mark.parametrize(
    "entry", [b"", b"[]", b"{}", b'{"services": []}', b'{"services": {"%s": {}}}' % ANY.encode(), b"\xff"]
)
def test_an_entry_that_cannot_be_read(
    catalogue: AccountServices, store: DictStore, clock: FakeClock, entry: bytes
) -> None:
    """Is the store's fault, and is not written over."""
    store.values[ENTRY] = (entry, clock.wall + YEAR)
    calls: list[Callable[[], object]] = [
        lambda: catalogue.find(ANY), catalogue.known, lambda: catalogue.create(name="Shop"),
        lambda: catalogue.delete(ANY),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(StoreUnavailable):
            call()
    assert store.peek(ENTRY) == entry


def test_finding_one_looks_at_no_other(catalogue: AccountServices, store: DictStore, clock: FakeClock) -> None:
    """Every request finds its service; whether all can be read is seen where all are listed or one is changed."""
    services = {ANY: {}, OTHER: {"name": "Shop", "created": 1}}
    store.values[ENTRY] = (json.dumps({"format": 1, "services": services}).encode(), clock.wall + YEAR)
    found = catalogue.find(OTHER)
    assert found is not None
    assert found.name == "Shop"
    calls: list[Callable[[], object]] = [catalogue.known, lambda: catalogue.update(OTHER, name="After")]
    for call in calls:
        with pytest.raises(StoreUnavailable):
            call()


# ---- at the same time


def test_of_changes_at_once_none_is_lost(clock: FakeClock) -> None:
    """Five servers on one store make, change and delete at the same moment."""
    store, start = MemoryStore(), Barrier(5)
    catalogues = [services_of("", store, clock) for _ in range(5)]
    doomed = [catalogues[0].create(name=f"doomed {n}") for n in range(5)]
    kept = catalogues[0].create(name="kept")

    def work(n: int) -> None:
        start.wait()
        catalogues[n].create(name=f"new {n}")
        catalogues[n].delete(doomed[n].sid)
        catalogues[n].update(kept.sid, code_length=4 + n % 7)

    threads = [Thread(target=work, args=(n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = sorted(service.name for service in catalogues[0].known())
    assert names == ["kept", *(f"new {n}" for n in range(5))]


def test_a_lost_swap_begins_again_from_what_is_there(catalogue: AccountServices, store: DictStore) -> None:
    """Another server's service, made in between, is not written over."""
    others: list[VerifyService] = []

    def another(verb: str, index: int) -> None:
        if (verb, index) == ("get", 0):
            others.append(catalogue.create(name="other"))

    store.after = another
    mine = catalogue.create(name="mine")
    assert catalogue.known() == [*others, mine]


def test_a_service_that_is_deleted_meanwhile(catalogue: AccountServices, store: DictStore) -> None:
    """Cannot be changed any more, and does not come back."""
    kept, doomed = catalogue.create(name="kept"), catalogue.create(name="doomed")
    store.calls.clear()

    def delete(verb: str, index: int) -> None:
        if index == 0:
            catalogue.delete(doomed.sid)

    store.after = delete
    with pytest.raises(ServiceNotFound):
        catalogue.update(doomed.sid, name="After")
    assert catalogue.known() == [kept]


def test_a_lost_swap_returns_what_is_there(
    catalogue: AccountServices, store: DictStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the next try reads nothing: the others, who win meanwhile, would only be further ahead."""
    made = catalogue.create(name="Shop")
    losses, swap = [1, 2, 3], store.swap

    def lose(key: str, old: bytes | None, new: bytes | None, ttl: float) -> Swap:
        return Swap(won=False, found=old) if losses and losses.pop() else swap(key, old, new, ttl)

    monkeypatch.setattr(store, "swap", lose)
    store.calls.clear()
    catalogue.update(made.sid, name="After")
    assert (store.calls, losses) == (["get", "swap"], [])


def test_a_change_that_always_loses_gives_up(
    catalogue: AccountServices, store: DictStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many losses, with when to come back."""
    swaps = []

    def lose(*_: object) -> Swap:
        swaps.append(1)
        return Swap(won=False, found=None)

    monkeypatch.setattr(store, "swap", lose)
    with pytest.raises(Busy) as caught:
        catalogue.create(name="Shop")
    assert caught.value.retry_after == 1.0
    assert len(swaps) == 1 + MOST_LOSSES
