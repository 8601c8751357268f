"""Who may call Twilio Verify: Basic credentials of an account, or of one of its API keys."""

import base64
import hashlib

import pytest
from werkzeug.test import create_environ, run_wsgi_app

from tests.web.documented import BASIC
from tests.web.house import api_key

ACCOUNT, OTHER, KEY = "AC" + "1" * 32, "AC" + "2" * 32, "SK" + "3" * 32
ACCOUNTS = ",".join(
    [
        f"{ACCOUNT}:{hashlib.sha256(b'token').hexdigest()}",
        f"{ACCOUNT}/{KEY}:{hashlib.sha256(b'key secret').hexdigest()}",
        f"{OTHER}:{hashlib.sha256('tökén'.encode()).hexdigest()}",
    ]
)
SERVICE = "/v2/Services/VA" + "4" * 32
REMOTE = {"REMOTE_ADDR": "203.0.113.9"}
FOUND, REFUSED = 404, 401  # of a verification that is not there


def basic(user, secret):
    """The header that curl -u sends."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()}


@pytest.fixture
def house(open_house):
    return open_house(otp_apis="native,verify_v2", otp_verify_accounts=ACCOUNTS)


def fetch(house, headers, **how):
    return house.call("GET", f"{SERVICE}/Verifications/VE{'0' * 32}", headers=headers, **how)


def started(house, headers):
    """The answer to a send."""
    headers = headers | {"Content-Type": "application/x-www-form-urlencoded"}
    return house.post(f"{SERVICE}/Verifications", f"To=%2B{house.number()[1:]}&Channel=sms".encode(), headers=headers)


@pytest.mark.parametrize(
    ("user", "secret", "account"),
    [(ACCOUNT, "token", ACCOUNT), (KEY, "key secret", ACCOUNT), (OTHER, "tökén", OTHER)],
)
def test_an_account_and_its_keys_come_in(house, user, secret, account):
    """What they do is the account's."""
    assert fetch(house, basic(user, secret)).status_code == FOUND
    assert started(house, basic(user, secret)).json["account_sid"] == account


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic(ACCOUNT, "wrong"),
        basic(ACCOUNT, ""),
        basic("", "token"),
        basic(OTHER, "token"),
        basic(KEY, "token"),
        basic(ACCOUNT.lower(), "token"),
        basic(ACCOUNT + "0", "token"),
        {"Authorization": "Basic"},
        {"Authorization": "Basic ****"},
        {"Authorization": "Basic \xe9"},
        {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe").decode()},
        {"Authorization": "Basic " + base64.b64encode(ACCOUNT.encode()).decode()},
        {"Authorization": f"Bearer {ACCOUNT}:token"},
        {"X-API-Key": "token"},
    ],
)
def test_others_do_not(house, headers):
    """401 in Twilio's shape, whatever was shown."""
    answer = fetch(house, headers)
    assert (answer.status_code, answer.json["code"]) == (REFUSED, 20003)
    assert started(house, headers).status_code == REFUSED
    assert not house.channel.messages


def test_other_schemes_are_not_read(house, monkeypatch):
    """Werkzeug takes milliseconds for the parts of a long Digest header, and anybody can send one."""
    read = []
    monkeypatch.setattr("werkzeug.datastructures.auth.parse_dict_header", read.append)
    answer = house.call("GET", "/v2/Services", headers={"Authorization": f"Digest {'a=b,' * 1000}"})
    assert (answer.status_code, read) == (401, [])


def test_an_api_key_of_the_native_api_is_none_here(open_house):
    """And an account is none there: each door has its own."""
    keys = api_key("shop", "send+verify", "shop secret")
    house = open_house(otp_apis="native,verify_v2", otp_verify_accounts=ACCOUNTS, otp_api_keys=keys)
    assert fetch(house, {"Authorization": "Bearer shop secret"}).status_code == REFUSED
    assert fetch(house, basic(ACCOUNT, "token")).status_code == FOUND
    assert house.send(headers=basic(ACCOUNT, "token")).status_code == REFUSED
    assert house.send(key="shop secret").status_code == 200


def test_wrong_credentials_are_counted(house):
    """Ten a minute of one client, then no more are looked at."""
    answers = [fetch(house, basic(ACCOUNT, f"wrong {n}")).status_code for n in range(11)]
    assert answers == [401] * 10 + [429]
    assert fetch(house, basic(ACCOUNT, "token")).status_code == FOUND


def test_without_accounts_any_credentials_will_do_on_this_machine(open_house):
    """But some of the right shape must be shown: a page in a browser can post a form here without being asked."""
    house = open_house(otp_apis="verify_v2")
    assert started(house, basic(ACCOUNT, "anything")).json["account_sid"] == ACCOUNT
    assert started(house, basic(KEY, "anything")).json["account_sid"] == "AC" + "0" * 32
    assert started(house, {}).status_code == REFUSED
    assert started(house, basic("me", "anything")).status_code == REFUSED
    assert started(house, basic("AC" + "A" * 32, "anything")).status_code == REFUSED


def test_a_page_in_a_browser_may_not_call(open_house, house):
    """With a form for http://AC…:secret@host the browser adds the header; it also says from where it comes."""
    for server in (house, open_house(otp_apis="verify_v2")):
        answer = started(server, basic(ACCOUNT, "token") | {"Origin": "http://127.0.0.2:8000"})
        assert (answer.status_code, answer.json["code"]) == (403, 20403)
        assert not server.channel.messages


def test_who_is_not_known_has_the_limits_of_a_client(open_house):
    """Whatever was shown; an account has only those of numbers."""
    house = open_house(otp_apis="verify_v2", otp_client_limits="2/hour")
    assert [started(house, basic(ACCOUNT, "any")).status_code for _ in range(3)] == [201, 201, 429]
    house = open_house(otp_apis="verify_v2", otp_client_limits="2/hour", otp_verify_accounts=ACCOUNTS)
    assert [started(house, basic(ACCOUNT, "token")).status_code for _ in range(3)] == [201, 201, 201]


def test_an_open_server_without_accounts_lets_nobody_in(open_house):
    """It does not start so; should it run all the same, nobody may send."""
    keys = api_key("shop", "send+verify", "shop secret")
    house = open_house(otp_apis="native,verify_v2", otp_api_keys=keys)
    assert fetch(house, basic(ACCOUNT, "anything")).status_code == REFUSED


def test_accounts_open_a_server_of_verify_alone(open_verify):
    """Its callers have credentials; without them the refusal has Twilio's shape."""
    verify = open_verify(otp_apis=("verify_v2",), otp_verify_accounts="")
    answer = verify.house.call("GET", "/v2/Services", **REMOTE)
    assert (answer.status_code, answer.json["code"]) == (403, 20403)
    opened = open_verify(otp_apis=("verify_v2",))
    assert opened.house.call("GET", "/v2/Services", **REMOTE).status_code == 401


@pytest.mark.parametrize("query", ["Page=\xff", "\xe9", "a=\x80&PageSize=1"], ids=ascii)
def test_a_query_of_other_bytes_than_ascii_is_refused(open_verify, query):
    """Under a server that lets it pass; to read it as text would be an error of ours."""
    house = open_verify().house
    for path in ("/v2/Services", "/healthz"):
        environ = create_environ(path, "http://localhost", environ_overrides={"REMOTE_ADDR": "127.0.0.1"})
        environ |= {"QUERY_STRING": query, "HTTP_AUTHORIZATION": BASIC}
        body, status, _ = run_wsgi_app(house.app, environ)
        assert (status[:3], b"".join(body)[:1]) == ("400", b"{")
