"""Twilio's Verify services over HTTP: made, listed, shown, changed, deleted."""

import re

import pytest

from tests.apis.verify_v2.site import ACCOUNT, DATE, OTHER, SERVICE, SETTINGS, Verify, refused

NOT_DONE = {
    "lookup_enabled": False, "psd2_enabled": False, "skip_sms_to_landlines": False, "dtmf_input_required": False,
    "tts_name": None, "push": {"include_date": False, "apn_credential_sid": None, "fcm_credential_sid": None},
    "totp": {"issuer": None, "time_step": None, "code_length": None, "skew": None},
    "whatsapp": {"msg_service_sid": None, "from": None}, "default_template_sid": None,
    "verify_event_subscription_enabled": False,
}  # fmt: skip


class Catalogue(Verify):
    """A server, asked about its services."""

    def create(self, name="Shop", **form):
        return self.change("", FriendlyName=name, **form)

    def show(self, sid, query=""):
        return self.ask("GET", query, service=sid)

    def change(self, sid, **form):
        return self.ask("POST", "", form, sid)

    def delete(self, sid):
        return self.ask("DELETE", "", service=sid)

    def listed(self):
        return [service["friendly_name"] for service in self.show("").json["services"]]


@pytest.fixture
def catalogue(open_site):
    return Catalogue(open_site(**SETTINGS | {"otp_verify_services": ""}))


@pytest.fixture
def configured(open_site):
    return Catalogue(open_site(**SETTINGS))


def test_a_new_service(catalogue):
    """201, every field of Twilio's, and what was asked for."""
    answer = catalogue.create(CodeLength="8", CustomCodeEnabled="true", DoNotShareWarningEnabled="True")
    body = answer.json
    assert answer.status_code == 201
    assert body == NOT_DONE | {
        "sid": body["sid"],
        "account_sid": ACCOUNT,
        "friendly_name": "Shop",
        "code_length": 8,
        "custom_code_enabled": True,
        "do_not_share_warning_enabled": True,
        "passkeys": body["passkeys"],
        "date_created": body["date_created"],
        "date_updated": body["date_created"],
        "url": f"http://127.0.0.1:5000/v2/Services/{body['sid']}",
        "links": {
            "verifications": f"http://127.0.0.1:5000/v2/Services/{body['sid']}/Verifications",
            "verification_checks": f"http://127.0.0.1:5000/v2/Services/{body['sid']}/VerificationCheck",
        },
    }
    assert re.fullmatch("VA[0-9a-f]{32}", body["sid"])
    assert re.fullmatch(DATE, body["date_created"])
    assert catalogue.show(body["sid"]).json == body


def test_a_change(catalogue):
    """200; what is not named stays, and an empty form changes nothing but the date."""
    made = catalogue.create(CodeLength="8").json
    catalogue.site.clock.advance(60)
    changed = catalogue.change(made["sid"], FriendlyName="After")
    assert changed.status_code == 200
    assert changed.json == made | {"friendly_name": "After", "date_updated": changed.json["date_updated"]}
    assert changed.json["date_updated"] > made["date_updated"]
    assert catalogue.change(made["sid"]).json == changed.json
    assert catalogue.show(made["sid"]).json == changed.json


def test_a_deletion(catalogue):
    """204 without a body; then there is no such service, for verifications neither."""
    sid = catalogue.create().json["sid"]
    answer = catalogue.delete(sid)
    assert (answer.status_code, answer.data) == (204, b"")
    gone = [catalogue.show(sid), catalogue.change(sid, FriendlyName="Back"), catalogue.delete(sid)]
    assert [refused(answer) for answer in (*gone, catalogue.start(service=sid))] == [(404, 20404)] * 4
    assert catalogue.listed() == []


def test_a_page_of_the_list(catalogue):
    """As long as was asked for, with the addresses of the others."""
    for name in "abcde":
        catalogue.create(name)
    page = catalogue.show("", "?PageSize=2&Page=1&PageToken=x").json
    there = "http://127.0.0.1:5000/v2/Services?PageSize=2&Page="
    assert [service["friendly_name"] for service in page["services"]] == ["c", "d"]
    assert page["meta"] == {
        "key": "services",
        "page": 1,
        "page_size": 2,
        "first_page_url": f"{there}0",
        "previous_page_url": f"{there}0",
        "next_page_url": f"{there}2",
        "url": f"{there}1",
    }
    last = catalogue.show("", "?PageSize=2&Page=2").json
    assert ([service["friendly_name"] for service in last["services"]], last["meta"]["next_page_url"]) == (["e"], None)
    full = catalogue.show("", "?PageSize=5").json
    assert (len(full["services"]), full["meta"]["next_page_url"]) == (5, None)
    beyond = catalogue.show("", "?PageSize=2&Page=9").json
    assert (beyond["services"], beyond["meta"]["next_page_url"]) == ([], None)


def test_the_whole_list(catalogue):
    """Fifty to a page unless asked otherwise, which is all there can be."""
    for name in "abc":
        catalogue.create(name)
    page = catalogue.show("").json
    assert [service["friendly_name"] for service in page["services"]] == ["a", "b", "c"]
    meta = page["meta"]
    assert (meta["page_size"], meta["previous_page_url"], meta["next_page_url"]) == (50, None, None)


@pytest.mark.parametrize(
    "query", ["?PageSize=0", "?PageSize=1001", "?PageSize=x", "?Page=-1", "?Page=1.5", "?Page=%D9%A1"]
)
def test_a_page_that_there_cannot_be(catalogue, query):
    assert refused(catalogue.show("", query)) == (400, 60200)


@pytest.mark.parametrize(("name", "value"), [
    ("FriendlyName", ""), ("FriendlyName", "x" * 31), ("FriendlyName", "a\nb"), ("FriendlyName", "call 12345"),
    ("FriendlyName", "shop.example"), ("CodeLength", "3"), ("CodeLength", "11"), ("CodeLength", ""),
    ("CodeLength", "six"), ("CodeLength", " 6"), ("CodeLength", "1_0"), ("CodeLength", "9" * 5000),
    ("CustomCodeEnabled", "yes"), ("DoNotShareWarningEnabled", ""),
])  # fmt: skip
def test_a_field_that_cannot_be(catalogue, name, value):
    """60200 with its name, in a new service as in a change."""
    made = catalogue.create().json
    new = catalogue.change("", **{"FriendlyName": "Other"} | {name: value})
    for answer in (new, catalogue.change(made["sid"], **{name: value})):
        assert refused(answer) == (400, 60200)
        assert name in answer.json["message"]
    assert catalogue.listed() == ["Shop"]


def test_a_service_needs_a_name(catalogue):
    assert refused(catalogue.change("", CodeLength="6")) == (400, 60200)


@pytest.mark.parametrize(("name", "value"), [
    ("LookupEnabled", "true"), ("Psd2Enabled", "True"), ("DefaultTemplateSid", "HJ" + "a" * 32),
    ("Whatsapp.From", "whatsapp:+14155238886"), ("Whatsapp.MsgServiceSid", "MG" + "a" * 32),
    ("VerifyEventSubscriptionEnabled", "true"),
])  # fmt: skip
def test_what_a_service_does_not_do_here(catalogue, name, value):
    """60204, rather than a service that is not what was asked for."""
    assert refused(catalogue.create(**{name: value})) == (403, 60204)
    assert catalogue.listed() == []


@pytest.mark.parametrize("name", ["LookupEnabled", "Psd2Enabled", "SkipSmsToLandlines", "DtmfInputRequired"])
def test_what_is_switched_off_may_be_said(catalogue, name):
    """An application that sets all fields is no trouble."""
    assert catalogue.create(**{name: "false", "TtsName": "x", "Totp.Skew": "1"}).status_code == 201


def test_services_of_the_settings(configured):
    """Listed first, without dates; only whether callers may choose codes is changed here."""
    configured.create("Made")
    assert configured.listed() == ["login", "payment", "Made"]
    shown = configured.show(SERVICE).json
    assert (shown["friendly_name"], shown["code_length"], shown["date_created"]) == ("login", 6, None)
    for answer in (configured.change(OTHER, FriendlyName="Mine"), configured.delete(OTHER)):
        assert refused(answer) == (403, 20403)
        assert "API" in answer.json["message"]
    both = configured.change(OTHER, FriendlyName="Mine", CustomCodeEnabled="true")
    assert refused(both) == (403, 20403)
    assert configured.show(OTHER).json["custom_code_enabled"] is False
    assert configured.show(OTHER).json["friendly_name"] == "payment"


@pytest.mark.parametrize("named", ["id", "purpose"])
def test_a_made_service_has_codes_of_its_own(configured, named):
    """Not for services beside it; the native API takes one by the verification's id or the service's purpose."""
    sid = configured.create().json["sid"]
    started = configured.start(service=sid).json
    code = configured.site.code()
    assert configured.site.verify(started["to"], code).status_code == 400
    assert refused(configured.check(code, SERVICE, To=started["to"])) == (404, 20404)
    native = {
        "id": {"verification_id": started["sid"]},
        "purpose": {"phone_number": started["to"], "purpose": sid.removeprefix("VA")},
    }
    assert configured.site.post("/verify-otp", native[named] | {"otp": code}).status_code == 200


HOOK = {"CustomCode": "864213"}  # what an identity provider's hook sends beside To and Channel


@pytest.mark.parametrize("services", ["", f"{SERVICE}:login"], ids=["none configured", "configured"])
def test_custom_codes_are_switched_on_over_the_api(open_site, services):
    """At a service that was not made over it too: from then on a caller's code is sent and checked; off again later."""
    catalogue = Catalogue(open_site(**SETTINGS | {"otp_verify_services": services}))
    assert refused(catalogue.start(**HOOK)) == (403, 60204)
    changed = catalogue.change(SERVICE, CustomCodeEnabled="true")
    assert (changed.status_code, changed.json["custom_code_enabled"]) == (200, True)
    assert catalogue.show(SERVICE).json == changed.json == catalogue.show("").json["services"][0]
    started = catalogue.start(**HOOK).json
    assert catalogue.site.code() == HOOK["CustomCode"]
    assert catalogue.update(started["to"], "approved").json["status"] == "approved"
    assert catalogue.change(SERVICE, CustomCodeEnabled="false").status_code == 200
    assert refused(catalogue.start(**HOOK)) == (403, 60204)


def test_custom_codes_are_switched_on_in_the_settings(open_site):
    """By a flag behind the purpose, for every account; a service without it takes none."""
    settings = SETTINGS | {"otp_verify_services": f"{SERVICE}:login:custom_code,{OTHER}:payment"}
    catalogue = Catalogue(open_site(**settings))
    assert [service["custom_code_enabled"] for service in catalogue.show("").json["services"]] == [True, False]
    assert catalogue.start(**HOOK).status_code == 201
    assert catalogue.site.code() == HOOK["CustomCode"]
    assert refused(catalogue.start(service=OTHER, **HOOK)) == (403, 60204)


def test_what_a_service_is_already_may_be_said(configured):
    """A tool that sends every field with the one that it changes is no trouble."""
    form = {"FriendlyName": "payment", "CodeLength": "6", "DoNotShareWarningEnabled": "false"}
    assert configured.change(OTHER, **form).json == configured.show(OTHER).json
    assert configured.change(OTHER, **form, CustomCodeEnabled="true").json["custom_code_enabled"] is True


def test_making_a_service_keeps_the_one_that_an_application_uses(catalogue):
    """It sent before, without being configured: it sends, checks and is shown as before; others are not found."""
    started, code = catalogue.started()
    catalogue.create()
    assert catalogue.check(code, To=started["to"]).json["valid"] is True
    assert catalogue.start().status_code == 201
    assert catalogue.show(SERVICE).json["friendly_name"] == "login"
    assert catalogue.listed() == ["login", "Shop"]
    assert refused(catalogue.start(service=OTHER)) == (404, 20404)


def test_when_there_is_no_room(catalogue):
    answers = [catalogue.create("x" * 30) for _ in range(60)]
    assert [answer.status_code for answer in answers[:40]] == [201] * 40
    assert refused(answers[-1]) == (400, 20001)
    assert "room" in answers[-1].json["message"]
