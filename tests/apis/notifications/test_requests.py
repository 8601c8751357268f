"""Who may ask for notifications, in which form, and what a request of another form gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from otp_app.web.batches import MOST_BODY
from tests.running import INDEX_KEY, KEY, wait_until
from tests.web.site import Site, api_key

KEYS = ",".join([api_key("shop", "notify", "shop"), api_key("old", "send+verify+metrics", "old")])
IN_STORE = {"otp_secret_keys": f"k1:{KEY}", "otp_index_key": INDEX_KEY}
Open = Callable[..., Site]


@pytest.fixture
def opened(open_site: Open, templates: Callable[..., str]) -> Open:
    return lambda **given: open_site(otp_templates_file=templates(), **given)


def body(site: Site, **fields: Any) -> dict[str, Any]:
    return {"phone_number": site.number(), "template": "closed"} | fields


def test_the_scope_notify_is_needed_and_opens_nothing_else(opened: Open) -> None:
    site = opened(otp_api_keys=KEYS)
    for path, said in (("/notifications", body(site)), ("/notifications/batch", {"template": "closed"})):
        assert site.post(path, said).status_code == 401
        assert site.post(path, said, key="old").status_code == 403
    sent = site.post("/notifications", body(site), key="shop")
    assert sent.status_code == 202
    path = f"/notifications/{sent.json['id']}"
    assert [site.call("GET", path, key=key).status_code for key in ("", "old", "shop")] == [401, 403, 200]
    assert site.post("/send-otp", {"phone_number": site.number()}, key="shop").status_code == 403


def test_public_opens_nothing(opened: Open) -> None:
    """Neither with keys nor without."""
    for keys in (KEYS, ""):
        site = opened(otp_api_keys=keys, otp_public=True, otp_countries="US")
        assert site.post("/notifications", body(site)).status_code == 401


def test_without_keys_this_machine_alone_may(opened: Open) -> None:
    site = opened()
    assert site.post("/notifications", body(site)).status_code == 202
    assert site.post("/notifications", body(site), REMOTE_ADDR="192.0.2.1").status_code == 403


def test_without_templates_there_is_no_such_route(site: Site) -> None:
    assert site.post("/notifications", body(site)).status_code == 404


def test_each_key_has_its_own_limit(opened: Open) -> None:
    """And its own Idempotency-Keys."""
    keys = ",".join([api_key("one", "notify", "one"), api_key("two", "notify", "two")])
    site, headers = opened(otp_api_keys=keys, otp_notifications_per_key="1"), {"Idempotency-Key": "k"}
    first, second = (site.post("/notifications", body(site), headers=headers, key=key) for key in ("one", "two"))
    assert {first.status_code, second.status_code} == {202}
    answer = site.post("/notifications", body(site), key="one")
    assert (answer.status_code, answer.json["error_type"]) == (429, "key_limit_reached")
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["RateLimit-Policy"] == '"key";q=1;w=86400'


def test_the_limit_of_a_number_is_that_of_all_keys(opened: Open) -> None:
    site = opened(otp_notifications_per_number="2")
    said = body(site)
    answers = [site.post("/notifications", said) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert answers[-1].headers["RateLimit-Policy"] == '"number";q=2;w=86400'


@pytest.mark.parametrize(
    "fields",
    [
        {"phone_number": None}, {"phone_number": 5}, {"phone_number": ""}, {"template": None}, {"template": 1},
        {"variables": []}, {"variables": {"a": 1}}, {"variables": None}, {"locale": "é"}, {"locale": 5},
        {"channel": ""}, {"channel": "x" * 33}, {"template": "x" * 41}, {"template": "other"},
        {"variables": {"more": "1"}}, {"channel": "fax"},
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_fit_is_400(opened: Open, fields: dict[str, Any]) -> None:
    site = opened()
    assert site.post("/notifications", body(site, **fields)).status_code == 400


@pytest.mark.parametrize("recipients", [None, {}, [], "x", [{"phone_number": "+14155552671"}] * 501], ids=type)
def test_a_batch_needs_1_to_500_recipients(opened: Open, recipients: Any) -> None:
    site = opened()
    assert site.post("/notifications/batch", {"template": "closed", "recipients": recipients}).status_code == 400


def test_a_batch_may_be_longer_than_other_requests(opened: Open) -> None:
    """Up to its own limit, and no other route."""
    site = opened()
    recipients = [{"phone_number": site.number(), "locale": "x" * 100} for _ in range(400)]
    said = {"template": "closed", "recipients": recipients}
    assert site.post("/notifications/batch", said).json["queued"] == 400
    assert site.post("/notifications/batch", b" " * (MOST_BODY + 1), CONTENT_TYPE="application/json").status_code == 413
    assert site.post("/notifications", b" " * 8193, CONTENT_TYPE="application/json").status_code == 413
    wait_until(lambda: len(site.channel.messages) == 400, "the messages")


def test_each_recipient_of_a_batch_gets_what_a_request_of_its_own_would(opened: Open) -> None:
    site = opened(otp_countries="US", otp_notifications_per_number="1")
    number = site.number()
    recipients = [
        {"phone_number": number}, {"phone_number": number}, {"phone_number": "+447911123456"}, {"phone_number": 7},
        "x", {"phone_number": site.number(), "variables": {"a": "b"}},
    ]  # fmt: skip
    answer = site.post("/notifications/batch", {"template": "closed", "recipients": recipients}).json
    kinds = [result.get("error", {}).get("error_type") for result in answer["results"]]
    assert sorted(map(str, kinds[:2])) == ["None", "too_many_notifications"]
    assert kinds[2:] == ["country_not_allowed", "bad_request", "bad_request", "bad_variables"]
    assert (answer["queued"], answer["refused"]) == (1, 5)
    assert site.post("/notifications/batch", {"template": "x", "recipients": recipients}).status_code == 400


def test_a_batch_may_have_one_channel_and_one_language(opened: Open) -> None:
    """For recipients without a locale of their own; the channel is checked as that of a single request."""
    site = opened()
    said = {"template": "order_shipped", "locale": "es-MX", "recipients": [
        {"phone_number": site.number(), "variables": {"number": "1"}},
        {"phone_number": site.number(), "variables": {"number": "2"}, "locale": "en"},
    ]}  # fmt: skip
    assert site.post("/notifications/batch", said).json["queued"] == 2
    wait_until(lambda: len(site.channel.messages) == 2, "the messages")
    assert sorted(message.text[:9] for message in site.channel.messages) == ["Tu pedido", "Your orde"]
    answer = site.post("/notifications/batch", said | {"channel": "pigeon"}).json
    assert {result["error"]["error_type"] for result in answer["results"]} == {"unknown_channel"}


def test_a_code_is_never_in_it(opened: Open) -> None:
    site = opened()
    number = site.number()
    site.send(number)
    said = {"phone_number": number, "template": "order_shipped", "variables": {"number": f"No. {site.code()}"}}
    answer = site.post("/notifications", said)
    assert (answer.status_code, answer.json["error_type"]) == (422, "holds_code")
    assert "POST /send-otp" in answer.json["error"]
    assert site.code() not in answer.get_data(as_text=True)


def test_an_id_that_is_none_is_not_found(opened: Open) -> None:
    site = opened()
    for wrong in ("NT" + "0" * 32, "VE" + "0" * 32, "x", "NT" + "é" * 32):
        assert site.call("GET", f"/notifications/{wrong}").json["error_type"] == "notification_not_found"


@pytest.mark.slow
@pytest.mark.parametrize("store", ["memory", "sqlite", "redis", "postgres"])
def test_on_every_store_they_are_sent_once(opened: Open, new_store: Callable[[str], str], store: str) -> None:
    """Singly and in a batch, with a repeated key."""
    site, headers = opened(otp_store_url=new_store(store), **IN_STORE), {"Idempotency-Key": "k"}
    single, recipients = body(site), [{"phone_number": site.number()} for _ in range(40)]
    said = {"template": "closed", "recipients": recipients}
    for _ in range(2):
        sent = site.post("/notifications", single, headers=headers).json["id"]
        results = site.post("/notifications/batch", said, headers={"Idempotency-Key": "b"}).json["results"]
    ids = [sent, *(result["id"] for result in results)]
    shown = lambda: {site.call("GET", f"/notifications/{each}").json["status"] for each in ids}  # noqa: E731
    wait_until(lambda: shown() == {"sent"}, "the messages")
    assert len(site.channel.messages) == 41
