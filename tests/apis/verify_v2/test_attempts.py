"""Attempts and their Summary, of the services of the account that asks."""

from __future__ import annotations

import base64
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from otp_app.core.endings import of_verification
from otp_app.core.instant import Instant
from otp_app.core.ledger import Origin, Report, Send, Status, Verification
from otp_app.history.writing import write
from tests.apis.verify_v2.site import ACCOUNT, ACCOUNTS, OTHER, SERVICE, TOKEN, Verify, basic, refused
from tests.twilio.twilio_spec import Specs

PHONE = "+14155552671"
BEGUN = 1_790_000_000.0  # 2026-09-21T14:13:20Z
SECOND = "AC" + "d" * 32


@pytest.fixture
def verify(open_verify: Callable[..., Verify], tmp_path: Path) -> Verify:
    """A server with two messages of one verification of each service, the first of which was approved."""
    opened = open_verify(otp_store_url=f"sqlite:///{tmp_path}/otp.db")
    fill(opened, {1: "login", 2: "payment"})
    return opened


def fill(verify: Verify, purposes: dict[int, str]) -> None:
    history: Any = verify.site.services.history
    for number, purpose in purposes.items():
        begun = BEGUN + number * 1000.0
        sends = tuple(
            Send(f"VL{10 * number + n:032x}", channel, begun + n * 60.0, "sent", receipts=receipts)
            for n, (channel, receipts) in enumerate([
                ("whatsapp", (Report("undelivered", begun + 50.0, 63024),)),
                ("sms", (Report("delivered", begun + 65.0),)),
            ])
        )  # fmt: skip
        ended = {"status": Status.APPROVED, "ended_at": begun + 80.0} if number == 1 else {}
        verification = Verification(
            f"VE{number:032x}", purpose, "k1", 6, Instant(begun, "", 0.0), 600.0, sends=sends, out=True,
            origin=Origin("verify_v2", ACCOUNT, "US"), **ended,
        )  # fmt: skip
        ending = of_verification(PHONE, verification, Instant(begun + 3600.0, "", 0.0), ())
        assert ending
        write(history.database, [ending], history.numbers)


def asked(verify: Verify, path: str = "", headers: dict[str, str] | None = None, **given: Any) -> Any:
    where = f"/v2/Attempts{path}" + (f"?{urlencode(given)}" if given else "")
    return verify.site.call("GET", where, None, headers or basic())


def sids(answer: Any) -> list[str]:
    return [attempt["sid"][-2:] for attempt in answer.json["attempts"]]


def test_an_attempt(verify: Verify) -> None:
    shown = asked(verify, f"/VL{11:032x}").json
    assert (shown["sid"], shown["verification_sid"]) == (f"VL{11:032x}", f"VE{1:032x}")
    assert (shown["account_sid"], shown["service_sid"]) == (ACCOUNT, SERVICE)
    assert (shown["date_created"], shown["date_updated"]) == ("2026-09-21T14:31:00Z", "2026-09-21T14:31:20Z")
    assert (shown["channel"], shown["conversion_status"]) == ("sms", "converted")
    data = shown["channel_data"]
    assert (data["to"], data["status"], data["message_status"]) == ("+1*******671", "confirmed", "delivered")
    assert (data["country"], data["code_length"], data["error_code"]) == ("US", 6, None)
    before = asked(verify, f"/VL{10:032x}").json
    assert (before["conversion_status"], before["channel_data"]["error_code"]) == ("unconverted", "63024")
    assert asked(verify, f"/VL{20:032x}").json["channel_data"]["status"] == "expired"
    assert PHONE not in str(shown)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, ["15", "14", "0b", "0a"]),
        ({"VerifyServiceSid": OTHER}, ["15", "14"]),
        ({"VerifyServiceSid": "VA" + "9" * 32}, []),
        ({"VerificationSid": f"VE{1:032x}"}, ["0b", "0a"]),
        ({"ChannelData.To": PHONE}, ["15", "14", "0b", "0a"]),
        ({"ChannelData.To": "+14155552672"}, []),
        ({"Channel": "whatsapp"}, ["14", "0a"]),
        ({"Status": "CONVERTED"}, ["0b"]),
        ({"Status": "unconverted"}, ["15", "14", "0a"]),
        ({"Country": "GB"}, []),
        ({"DateCreatedAfter": "2026-09-21T14:31:00Z"}, ["15", "14", "0b"]),
        ({"DateCreatedBefore": "2026-09-21T14:31:00Z"}, ["0b", "0a"]),
        ({"DateCreatedAfter": "2026-09-21T14:30:30Z", "DateCreatedBefore": "2026-09-21T14:31:30Z"}, ["0b"]),
    ],
)
def test_what_is_asked_for(verify: Verify, given: dict[str, str], found: list[str]) -> None:
    """The newest first."""
    assert sids(asked(verify, **given)) == found


def test_pages(verify: Verify) -> None:
    """Each says where the next one is, with what was asked for; one that is named by its number is the same."""
    first = asked(verify, PageSize=3, Country="US").json
    assert len(first["attempts"]) == 3
    assert first["meta"]["previous_page_url"] is None
    link = urlsplit(first["meta"]["next_page_url"])
    second = verify.site.call("GET", f"{link.path}?{link.query}", None, basic()).json
    assert ([attempt["sid"][-2:] for attempt in second["attempts"]], second["meta"]["next_page_url"]) == (["0a"], None)
    assert sids(asked(verify, PageSize=3, Page=1)) == ["0a"]
    assert second["meta"]["previous_page_url"].endswith("Country=US&PageSize=3&Page=0")
    far = asked(verify, PageSize=3, Page=5000, PageToken=parse_qs(link.query)["PageToken"][0]).json["meta"]
    assert (far["page"], far["previous_page_url"]) == (5000, None)


@pytest.mark.parametrize(
    ("given", "counts"),
    [
        ({}, (4, 1, 3, "25")),
        ({"VerifyServiceSid": SERVICE}, (2, 1, 1, "50")),
        ({"Channel": "sms"}, (2, 1, 1, "50")),
        ({"DestinationPrefix": "+1415"}, (4, 1, 3, "25")),
        ({"DestinationPrefix": "44"}, (0, 0, 0, "0")),
        ({"DateCreatedAfter": "2026-09-21T14:31:00Z"}, (3, 1, 2, "33.3333333")),
    ],
)
def test_the_summary(verify: Verify, given: dict[str, str], counts: tuple[object, ...]) -> None:
    answer = asked(verify, "/Summary", **given).json
    names = "total_attempts", "total_converted", "total_unconverted", "conversion_rate_percentage"
    assert tuple(answer[name] for name in names) == counts


@pytest.mark.parametrize(
    "given",
    [
        {"Channel": "pigeon"}, {"Status": "MAYBE"}, {"VerificationSid": "VE1"}, {"ChannelData.To": "x"},
        {"DateCreatedAfter": "yesterday"}, {"PageSize": "0"}, {"PageToken": "x"}, {"PageToken": "aW5mIGEgYg"},
        {"PageToken": base64.b64encode(f"nan VE{32 * 'a'} VL{32 * 'b'}".encode()).decode()},
        {"DestinationPrefix": "+14155"}, {"DestinationPrefix": "+1415_"}, {"Page": "201"},
    ],
)
def test_what_cannot_be_asked(verify: Verify, given: dict[str, str]) -> None:
    answer = asked(verify, "/Summary" if "DestinationPrefix" in given else "", **given)
    assert refused(answer) == (400, 60200)


def test_an_account_sees_its_own_services_only(open_verify: Callable[..., Verify], tmp_path: Path) -> None:
    """Not those that another one has made, whose verifications have a purpose of their own."""
    accounts = f"{ACCOUNTS},{SECOND}:{sha256(TOKEN.encode()).hexdigest()}"
    verify = open_verify(
        otp_store_url=f"sqlite:///{tmp_path}/otp.db", otp_verify_accounts=accounts, otp_verify_services=""
    )
    made = verify.ask("POST", "", {"FriendlyName": "Shop"}, service="").json
    fill(verify, {1: made["sid"].removeprefix("VA"), 2: "login"})
    assert sids(asked(verify)) == ["0b", "0a"]
    other = basic(SECOND)
    assert sids(asked(verify, headers=other)) == []
    assert sids(asked(verify, headers=other, VerifyServiceSid=made["sid"])) == []
    assert refused(asked(verify, f"/VL{10:032x}", headers=other)) == (404, 20404)
    assert asked(verify, "/Summary", headers=other).json["total_attempts"] == 0


def test_without_a_history_there_are_none_to_be_had(open_verify: Callable[..., Verify]) -> None:
    for path in ("", "/Summary", f"/VL{10:032x}"):
        assert refused(asked(open_verify(), path)) == (403, 60204)


def test_they_are_as_twilio_documents_them(verify: Verify) -> None:
    specs = Specs.at_hand()
    answers = {"index": asked(verify), "summary": asked(verify, "/Summary"), "one": asked(verify, f"/VL{10:032x}")}
    names = {"index": "ListVerificationAttempt", "summary": "FetchVerificationAttemptsSummary",
             "one": "FetchVerificationAttempt"}
    documented = {item["get"]["operationId"]: item["get"] for _, item in specs.routes if "get" in item}
    if not documented.keys() >= set(names.values()):
        pytest.skip("Twilio's documents are not at hand")  # as for the fake
    for name, answer in answers.items():
        assert specs.answer_problems(documented[names[name]], 200, answer.json) == [], name
