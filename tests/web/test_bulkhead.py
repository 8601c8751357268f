"""At most OTP_THREADS sends at once; one more is refused at once and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from otp_app.apis import APIS, known
from otp_app.core.delivery import Delivery, Outcome, Reason
from otp_app.core.errors import Overloaded
from otp_app.core.limits import Bulkhead
from tests.apis.verify_v2.site import ACCOUNTS, SERVICE, basic

VERIFY = {"otp_verify_accounts": ACCOUNTS, "otp_verify_services": f"{SERVICE}:login"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def elsewhere() -> Iterator[Callable[..., Any]]:
    """What calls something in another thread, always the same one."""
    with ThreadPoolExecutor(1) as thread:
        yield lambda call: thread.submit(call).result()


@pytest.fixture
def full(open_all: Any, elsewhere: Callable[..., Any]) -> Any:
    """A server of all APIs that runs one send at once, and runs it."""
    site = open_all(otp_threads=1, otp_client_limits="1/day", **VERIFY)
    elsewhere(site.services.sends.enter)
    return site


def asked(site: Any, path: str) -> Any:
    match path:
        case "/send-code":
            return site.post(path, {"user_id": "abc"})
        case "/v2":
            body = f"To=%2B{site.number()[1:]}&Channel=sms".encode()
            return site.call("POST", f"/v2/Services/{SERVICE}/Verifications", body, basic() | FORM)
        case _:
            return site.post(path, {"phone_number": site.number()}, headers={"Idempotency-Key": "one"})


@pytest.mark.parametrize("path", ["/send-otp", "/resend-otp", "/send-code", "/api/phone/register", "/v2"])
def test_a_send_without_a_place_is_busy_and_changes_nothing(full: Any, elsewhere: Any, path: str) -> None:
    """503 with Retry-After; no message, no count of the client, no answer under its Idempotency-Key."""
    answer = asked(full, path)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json.get("error_type", "busy") == "busy"
    assert answer.json.get("code", 20503) == 20503
    assert full.channel.messages == []
    elsewhere(full.services.sends.leave)
    assert asked(full, path).status_code in (200, 201)


def test_a_thread_with_a_place_needs_no_other(elsewhere: Any) -> None:
    """It has that one until it leaves as often as it has entered."""
    places = Bulkhead(1)
    for move in (places.enter, places.enter, places.leave):
        move()
    with pytest.raises(Overloaded):
        elsewhere(places.enter)
    places.leave()
    elsewhere(places.enter)


def test_checks_and_health_need_no_place(full: Any) -> None:
    assert full.verify(full.number(), "123456").status_code == 400
    assert full.call("GET", "/healthz").status_code == 200


@pytest.mark.parametrize("body", [{"phone_number": "+1"}, b"{", {}], ids=["refused", "no JSON", "incomplete"])
def test_a_place_comes_back_whatever_became_of_the_send(open_site: Any, body: Any) -> None:
    """Were it lost, so many refusals as there are places would end all sends."""
    site = open_site(otp_threads=1)
    for _ in range(2):
        assert site.post("/send-otp", body).status_code in (400, 415)
    site.channel.answers.append(Delivery(Outcome.REFUSED, reason=Reason.FAILED))
    assert site.send().status_code == 502
    assert site.send().status_code == 200


def test_every_send_of_every_api_takes_a_place(open_all: Any) -> None:
    """Those that client limits count as sends are those that need the scope `send`, and no others are."""
    app = open_all(**VERIFY).app
    sends = {blueprint.name for api in known(APIS) for blueprint in api.sends}
    for endpoint, view in app.view_functions.items():
        need = getattr(view, "access", None)
        assert (need is not None and need.scope == "send") == (endpoint.rpartition(".")[0] in sends), endpoint
