"""What an operator does, and that nobody else can have a browser do it."""

from __future__ import annotations

import pytest

from tests.apis.operator.site import Visitor, logged_in
from tests.web.site import Site, wrong

FORMS = ["search", "cancel", "block", "unblock", "reset", "logout"]
FOREIGN = [
    {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:5001"}, {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
]  # fmt: skip


def token(visitor: Visitor) -> str:
    return visitor.site.app.extensions["otp_apis"]["operator"].state.sessions.form_token(
        visitor.site.app.extensions["otp_apis"]["operator"].state.sessions.find(visitor.cookie())
    )


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_another_site_does_nothing(visitor: Visitor, form: str, headers: dict[str, str]) -> None:
    """Even with the token of the session."""
    number = visitor.site.number()
    answer = visitor.post(f"/operator/{form}", headers, form_token=token(visitor), number=number, wanted=number)
    assert answer.status_code == 403
    assert visitor.site.send(number, key="shop").status_code == 200
    assert visitor.open("/operator").status_code == 200


@pytest.mark.parametrize("headers", FOREIGN)
def test_another_site_logs_nobody_in(site: Site, headers: dict[str, str]) -> None:
    visitor = Visitor(site)
    answer = visitor.post("/operator/login", headers, key="the key of an operator")
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (403, False)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("given", ["", "0" * 64, "another session"])
def test_a_form_without_the_token_of_its_session_does_nothing(visitor: Visitor, form: str, given: str) -> None:
    number = visitor.site.number()
    form_token = token(logged_in(visitor.site)) if given == "another session" else given
    fields = {"form_token": form_token} if given else {}
    assert visitor.post(f"/operator/{form}", number=number, wanted=number, **fields).status_code == 403
    assert visitor.site.send(number, key="shop").status_code == 200
    assert visitor.open("/operator").status_code == 200


@pytest.mark.parametrize("form", FORMS)
def test_no_link_does_anything(visitor: Visitor, form: str) -> None:
    assert visitor.open(f"/operator/{form}").status_code == 405


def test_a_page_lets_a_browser_say_where_a_form_is_from(visitor: Visitor) -> None:
    """Under no-referrer it would send `Origin: null`."""
    visitor.open("/operator")
    assert "same-origin" in (visitor.open("/operator").headers["Referrer-Policy"], *visitor.shown.split('"'))


def test_a_support_case_takes_three_clicks(visitor: Visitor) -> None:
    """Search, open what is pending, cancel it."""
    site, number = visitor.site, visitor.site.number()
    sent = site.send(number, key="shop").json
    assert visitor.send("/operator/search", wanted=number).status_code == 200
    assert sent["to"] in visitor.text
    assert f"/operator/verifications/{sent['verification_id']}" in visitor.shown
    visitor.open(f"/operator/verifications/{sent['verification_id']}")
    assert "Waiting for the code" in visitor.text
    answer = visitor.send("/operator/cancel", verification_id=sent["verification_id"])
    visitor.open(answer.headers["Location"])
    assert "Canceled" in visitor.text
    assert site.verify(number, key="shop").status_code == 400


def test_a_spelling_of_a_number_is_that_number(visitor: Visitor) -> None:
    sent = visitor.site.send("+14155552671", key="shop").json
    visitor.send("/operator/search", wanted=" +1 (415) 555-2671 ")
    assert sent["verification_id"] in visitor.shown


def test_an_id_leads_to_its_page(visitor: Visitor) -> None:
    id_ = visitor.site.send(key="shop").json["verification_id"]
    assert visitor.send("/operator/search", wanted=id_).headers["Location"] == f"/operator/verifications/{id_}"


@pytest.mark.parametrize("wanted", ["", "nonsense", "4155552671", "VE12", "<script>", "+1" * 50, "\uff11"])
def test_what_is_neither_is_told_what_to_write(visitor: Visitor, wanted: str) -> None:
    assert visitor.send("/operator/search", wanted=wanted).status_code == 400
    assert "with its country code" in visitor.text
    assert "<script>" not in visitor.shown


def test_a_blocked_number_gets_nothing(visitor: Visitor) -> None:
    site, number = visitor.site, visitor.site.number()
    site.send(number, key="shop")
    visitor.send("/operator/block", number=number)
    assert "Nothing is sent to this number any more" in visitor.text
    assert "This number is blocked" in visitor.text
    assert site.verify(number, key="shop").status_code == 400
    site.clock.advance(600)
    assert site.send(number, key="shop").status_code == 403
    visitor.open("/operator")
    visitor.send("/operator/unblock", number=number)
    assert "Messages are sent to this number again" in visitor.text
    assert site.send(number, key="shop").status_code == 200


def test_a_number_can_be_blocked_from_a_verification(visitor: Visitor) -> None:
    """Its page does not have the number."""
    site, number = visitor.site, visitor.site.number()
    id_ = site.send(number, key="shop").json["verification_id"]
    visitor.open(f"/operator/verifications/{id_}")
    assert number not in visitor.shown
    visitor.send("/operator/block", verification_id=id_)
    site.clock.advance(600)
    assert site.send(number, key="shop").status_code == 403


def test_a_reset_lets_the_next_message_go(visitor: Visitor) -> None:
    site, number = visitor.site, visitor.site.number()
    site.send(number, key="shop")
    assert site.send(number, key="shop").status_code == 429
    visitor.send("/operator/search", wanted=number)
    assert "A limit of this number holds" in visitor.text
    visitor.send("/operator/reset", number=number)
    assert "A limit of this number holds" not in visitor.text
    assert site.send(number, key="shop").status_code == 200


def test_a_part_of_a_second_is_waited_for_too(visitor: Visitor) -> None:
    """No page says that a message can leave in 0 seconds."""
    site, number = visitor.site, visitor.site.number()
    site.send(number, key="shop")
    site.clock.advance(29.8)
    visitor.send("/operator/search", wanted=number)
    assert "The next message can leave in 1 s," in visitor.text
    assert "Next message in 1 s" in visitor.text


def test_what_was_only_asked_for_is_no_change(visitor: Visitor) -> None:
    """A page that cannot be shown says so; of a form that was rejected it says that nothing has changed."""
    assert visitor.open("/operator/cancel").status_code == 405
    assert "This page cannot be shown" in visitor.text
    assert visitor.post("/operator/cancel", verification_id="VE").status_code == 403
    assert "The change was not made" in visitor.text


def test_wrong_codes_count_after_a_reset_too(visitor: Visitor) -> None:
    site, number = visitor.site, visitor.site.number()
    site.send(number, key="shop")
    for _ in range(5):
        site.verify(number, wrong(site.code()), key="shop")
    visitor.send("/operator/reset", number=number)
    assert site.verify(number, key="shop").status_code == 400


@pytest.mark.parametrize(("form", "fields", "status"), [
    ("block", {"number": "nonsense"}, 400), ("block", {}, 400), ("reset", {"number": "+1"}, 400),
    ("block", {"verification_id": "VE" + "0" * 32}, 404), ("cancel", {"verification_id": "VE" + "0" * 32}, 404),
    ("cancel", {}, 404), ("cancel", {"verification_id": "../../keys"}, 404),
])  # fmt: skip
def test_what_is_not_there_is_told_on_a_page(visitor: Visitor, form: str, fields: dict[str, str], status: int) -> None:
    answer = visitor.send(f"/operator/{form}", **fields)
    assert (answer.status_code, answer.mimetype) == (status, "text/html")


def test_what_has_ended_meanwhile_is_shown(visitor: Visitor) -> None:
    site, number = visitor.site, visitor.site.number()
    id_ = site.send(number, key="shop").json["verification_id"]
    site.verify(number, key="shop")
    visitor.open(visitor.send("/operator/cancel", verification_id=id_).headers["Location"])
    assert "the right code was typed" in visitor.text


def test_no_address_title_or_log_line_has_a_number(visitor: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    """Nor does anything that an operator does show a code."""
    caplog.set_level("DEBUG")
    site, number = visitor.site, visitor.site.number()
    id_ = site.send(number, key="shop").json["verification_id"]
    for path, fields in [("search", {"wanted": number}), ("block", {"number": number}), ("unblock", {"number": number}),
                         ("reset", {"number": number}), ("cancel", {"verification_id": id_})]:  # fmt: skip
        answer = visitor.send(f"/operator/{path}", **fields)
        assert number[1:] not in str(answer.headers)
        addresses = "".join(part for part in visitor.shown.split("<") if "href=" in part or "action=" in part)
        title = visitor.shown.partition("<title>")[2].partition("</title>")[0]
        assert [text for text in (addresses, title) if number[1:] in text] == []
        assert site.code() not in visitor.shown
    assert "operator: key ops blocked +1*******" in caplog.text
    assert [text for text in (number, site.code()) if text in caplog.text] == []
