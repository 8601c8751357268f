"""Two accounts on one Verify server: what one has is not there for the other."""

from hashlib import sha256

import pytest

from tests.apis.verify_v2.site import TOKEN, basic, refused
from tests.apis.verify_v2.test_service_views import Catalogue
from tests.web.site import wrong

ALICE, BOB, BOBS_KEY = "AC" + "a" * 32, "AC" + "b" * 32, "SK" + "c" * 32
DIGEST = sha256(TOKEN.encode()).hexdigest()
ACCOUNTS = f"{ALICE}:{DIGEST},{BOB}:{DIGEST},{BOB}/{BOBS_KEY}:{DIGEST}"
SHARED, UNKNOWN = "VA" + "1" * 32, "VA" + "e" * 32
SETTINGS = {"otp_apis": "native,verify_v2", "otp_verify_accounts": ACCOUNTS}


class Account(Catalogue):
    """One account, or an API key of it, on a server."""

    def __init__(self, site, user):
        super().__init__(site)
        self.user = user

    def ask(self, method, path, form=None, service="", headers=None):
        return super().ask(method, path, form, service, headers or basic(self.user))

    def attempts(self, service, started, code):
        """All that can be asked about a verification, under a service: by SID and by number."""
        names = (started["sid"], started["to"])
        return [
            *(self.fetch(name, service) for name in names),
            *(self.update(name, status, service) for name in names for status in ("approved", "canceled")),
            self.check(code, service, To=started["to"]),
            self.check(code, service, VerificationSid=started["sid"]),
            self.check(wrong(code), service, VerificationSid=started["sid"], To=started["to"]),
        ]


@pytest.fixture(params=["", f"{SHARED}:login"], ids=["none configured", "one configured"])
def site(request, open_site):
    return open_site(**SETTINGS, otp_verify_services=request.param)


@pytest.fixture
def alice(site):
    return Account(site, ALICE)


@pytest.fixture(params=[BOB, BOBS_KEY], ids=["account", "API key"])
def bob(request, site):
    return Account(site, request.param)


def alike(answer, sid):
    """An answer without its own id and the SID that was asked for."""
    headers = {name: value for name, value in answer.headers if name != "X-Request-ID"}
    return answer.status_code, headers, answer.get_data(as_text=True).replace(sid, "VA…")


def test_a_service_of_another_account_is_as_one_that_there_is_not(alice, bob):
    """To the letter, whatever is asked of it; and nothing of it changes."""
    service = alice.create("Alices").json
    started = alice.start(service=service["sid"]).json
    code = alice.site.code()
    bob.create("Bobs")

    def asked(sid):
        return [
            bob.show(sid), bob.change(sid, FriendlyName="Mine"), bob.change(sid, CustomCodeEnabled="true"),
            bob.delete(sid), bob.start(started["to"], service=sid), bob.start("12345", service=sid),
            *bob.attempts(sid, started, code),
        ]  # fmt: skip

    answers, others = asked(service["sid"]), asked(UNKNOWN)
    assert {refused(answer) for answer in answers[:5]} == {(404, 20404)}
    assert [alike(answer, service["sid"]) for answer in answers] == [alike(answer, UNKNOWN) for answer in others]
    assert alice.show(service["sid"]).json == service
    assert alice.check(code, service["sid"], To=started["to"]).json["valid"] is True


def test_a_list_has_ones_own(alice, bob):
    """And the configured ones; the names of others are not revealed by a page more or less."""
    before = bob.show("").json
    for _ in range(3):
        alice.create("Alices")
    assert bob.show("").json == before
    assert bob.show("", "?PageSize=1").json["meta"]["next_page_url"] is None
    bob.create("Bobs")
    assert bob.listed()[-1] == "Bobs"
    assert "Alices" not in bob.listed()
    assert "Bobs" not in alice.listed()


@pytest.mark.parametrize("through", ["a service of one's own", "one that answers for any SID", "the shared one"])
def test_a_verification_belongs_to_its_service(alice, bob, through):
    """Its SID or number opens nothing under a service that the other account may use, and no attempt is spent."""
    mine, bobs = alice.create("Alices").json["sid"], bob.create("Bobs").json["sid"]
    started = alice.start(service=mine).json
    code = alice.site.code()
    other = {"a service of one's own": bobs, "one that answers for any SID": UNKNOWN}.get(through, SHARED)
    for answer in bob.attempts(other, started, code) * 2:
        assert refused(answer) == (404, 20404)
    assert alice.fetch(started["sid"], mine).json["status"] == "pending"
    assert alice.check(code, mine, To=started["to"]).json["valid"] is True


def test_the_same_number_at_two_accounts(alice, bob):
    """Each has a verification and a code of its own; ending one leaves the other."""
    mine, bobs = alice.create("Alices").json["sid"], bob.create("Bobs").json["sid"]
    first = alice.start(service=mine).json
    code = alice.site.code()
    second = bob.start(first["to"], service=bobs).json
    assert second["sid"] != first["sid"]
    assert bob.update(first["to"], "canceled", bobs).json["sid"] == second["sid"]
    assert alice.check(code, mine, To=first["to"]).json["valid"] is True


def test_any_sid_is_a_service_for_each_account(open_site):
    """While none is configured: the same SID of two accounts shares no verification."""
    site = open_site(**SETTINGS)
    alice, bob = Account(site, ALICE), Account(site, BOB)
    started = alice.start(service=SHARED).json
    code = site.code()
    for sid in (SHARED, UNKNOWN):
        assert [refused(answer) for answer in bob.attempts(sid, started, code)] == [(404, 20404)] * 9
    assert site.verify(started["to"], code).status_code == 400
    assert alice.check(code, SHARED, To=started["to"]).json["valid"] is True


def test_an_api_key_acts_for_its_account(site):
    """What the account made its key sees, and the other way round."""
    account, key = Account(site, BOB), Account(site, BOBS_KEY)
    made = key.create("Bobs").json
    assert account.show(made["sid"]).json == made
    started = account.start(service=made["sid"]).json
    assert key.check(site.code(), made["sid"], To=started["to"]).json["account_sid"] == BOB
    assert key.delete(made["sid"]).status_code == 204
    assert refused(account.show(made["sid"])) == (404, 20404)


def test_a_configured_service_is_for_all_accounts(open_site):
    """So are its verifications: a service to keep apart is made over the API."""
    site = open_site(**SETTINGS, otp_verify_services=f"{SHARED}:login")
    started = Account(site, ALICE).start(service=SHARED).json
    assert Account(site, BOB).fetch(started["sid"], SHARED).json["sid"] == started["sid"]


def test_no_configured_purpose_can_be_that_of_a_made_service(open_site):
    """It would open the codes of the account that made it to all."""
    made = "VA" + "d" * 32
    with pytest.raises(ValueError, match="purpose of 32 hex digits"):
        open_site(otp_verify_services=f"{SHARED}:{made.removeprefix('VA')}")


@pytest.mark.parametrize(("said", "scheme"), [
    ("https", "https"), ("https, http", "https"), ("http", "http"), ("", "http"), ("javascript:", "http"),
])  # fmt: skip
def test_links_are_as_safe_as_the_way_of_the_client(open_site, said, scheme):
    """Twilio's clients follow that to the next page with the account's token. A proxy that ends TLS says so."""
    alice = Account(open_site(**SETTINGS | {"otp_apis": "verify_v2"}), ALICE)
    for name in "ab":
        alice.create(name)
    headers = basic(ALICE) | {"X-Forwarded-Proto": said}
    answer = alice.ask("GET", "?PageSize=1", headers=headers).json
    links = [answer["meta"]["next_page_url"], answer["services"][0]["url"], *answer["services"][0]["links"].values()]
    assert {link.partition("/v2/Services")[0] for link in links} == {f"{scheme}://127.0.0.1:5000"}
