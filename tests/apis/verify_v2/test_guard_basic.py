"""Who may call Twilio Verify: Basic credentials of an account, or of one of its API keys."""

import base64
import hashlib

import pytest
from werkzeug.test import create_environ, run_wsgi_app

from tests.apis.verify_v2.site import basic
from tests.web.documented import BASIC
from tests.web.site import api_key

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


@pytest.fixture
def site(open_site):
    return open_site(otp_apis="native,verify_v2", otp_verify_accounts=ACCOUNTS)


def fetch(site, headers, **how):
    return site.call("GET", f"{SERVICE}/Verifications/VE{'0' * 32}", headers=headers, **how)


def started(site, headers):
    headers = headers | {"Content-Type": "application/x-www-form-urlencoded"}
    return site.post(f"{SERVICE}/Verifications", f"To=%2B{site.number()[1:]}&Channel=sms".encode(), headers=headers)


@pytest.mark.parametrize(("user", "secret", "account"), [
    (ACCOUNT, "token", ACCOUNT), (KEY, "key secret", ACCOUNT), (OTHER, "tökén", OTHER),
])  # fmt: skip
def test_an_account_and_its_keys_come_in(site, user, secret, account):
    assert fetch(site, basic(user, secret)).status_code == FOUND
    assert started(site, basic(user, secret)).json["account_sid"] == account


@pytest.mark.parametrize("headers", [
    {}, basic(ACCOUNT, "wrong"), basic(ACCOUNT, ""), basic("", "token"), basic(OTHER, "token"), basic(KEY, "token"),
    basic(ACCOUNT.lower(), "token"), basic("somebody", "token"), basic(ACCOUNT + "0", "token"),
    {"Authorization": "Basic"}, {"Authorization": "Basic ****"}, {"Authorization": "Basic \xe9"},
    {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe").decode()},
    {"Authorization": "Basic " + base64.b64encode(ACCOUNT.encode()).decode()},
    {"Authorization": f"Bearer {ACCOUNT}:token"}, {"X-API-Key": "token"},
])  # fmt: skip
def test_others_do_not(site, headers):
    """401 in Twilio's shape, whatever was shown."""
    answer = fetch(site, headers)
    assert (answer.status_code, answer.json["code"]) == (REFUSED, 20003)
    assert started(site, headers).status_code == REFUSED
    assert not site.channel.messages


def test_other_schemes_are_not_read(site, monkeypatch):
    """Werkzeug takes milliseconds for the parts of a long Digest header, and anybody can send one."""
    read = []
    monkeypatch.setattr("werkzeug.datastructures.auth.parse_dict_header", read.append)
    answer = site.call("GET", "/v2/Services", headers={"Authorization": f"Digest {'a=b,' * 1000}"})
    assert (answer.status_code, read) == (401, [])


def test_an_api_key_of_the_native_api_is_none_here(open_site):
    """And an account is none there: each API has its own."""
    keys = api_key("shop", "send+verify", "shop secret")
    site = open_site(otp_apis="native,verify_v2", otp_verify_accounts=ACCOUNTS, otp_api_keys=keys)
    assert fetch(site, {"Authorization": "Bearer shop secret"}).status_code == REFUSED
    assert fetch(site, basic(ACCOUNT, "token")).status_code == FOUND
    assert site.send(headers=basic(ACCOUNT, "token")).status_code == REFUSED
    assert site.send(key="shop secret").status_code == 200


def test_wrong_credentials_are_counted(site):
    """Ten a minute of one client, then no more are looked at."""
    answers = [fetch(site, basic(ACCOUNT, f"wrong {n}")).status_code for n in range(11)]
    assert answers == [401] * 10 + [429]
    assert fetch(site, basic(ACCOUNT, "token")).status_code == FOUND


def test_without_accounts_any_credentials_will_do_on_this_machine(open_site):
    """But some of the right shape must be shown: a page in a browser can post a form here without being asked."""
    site = open_site(otp_apis="verify_v2")
    assert started(site, basic(ACCOUNT, "anything")).json["account_sid"] == ACCOUNT
    assert started(site, basic(KEY, "anything")).json["account_sid"] == "AC" + "0" * 32
    assert started(site, {}).status_code == REFUSED
    assert started(site, basic("me", "anything")).status_code == REFUSED
    assert started(site, basic("AC" + "A" * 32, "anything")).status_code == REFUSED


def test_a_page_in_a_browser_may_not_call(open_site, site):
    """With a form for http://AC…:secret@host the browser adds the header; it also says from where it comes."""
    for server in (site, open_site(otp_apis="verify_v2")):
        answer = started(server, basic(ACCOUNT, "token") | {"Origin": "http://127.0.0.2:8000"})
        assert (answer.status_code, answer.json["code"]) == (403, 20403)
        assert not server.channel.messages


def test_who_is_not_known_has_the_limits_of_a_client(open_site):
    """Whatever was shown; an account has only those of numbers."""
    site = open_site(otp_apis="verify_v2", otp_client_limits="2/hour")
    assert [started(site, basic(ACCOUNT, "any")).status_code for _ in range(3)] == [201, 201, 429]
    site = open_site(otp_apis="verify_v2", otp_client_limits="2/hour", otp_verify_accounts=ACCOUNTS)
    assert [started(site, basic(ACCOUNT, "token")).status_code for _ in range(3)] == [201, 201, 201]


def test_an_open_server_without_accounts_lets_nobody_in(open_site):
    """It does not start so; should it run all the same, nobody may send."""
    keys = api_key("shop", "send+verify", "shop secret")
    site = open_site(otp_apis="native,verify_v2", otp_api_keys=keys)
    assert fetch(site, basic(ACCOUNT, "anything")).status_code == REFUSED


def test_accounts_open_a_server_of_verify_alone(open_verify):
    """Its callers have credentials; without them the refusal has Twilio's shape."""
    verify = open_verify(otp_apis=("verify_v2",), otp_verify_accounts="")
    answer = verify.site.call("GET", "/v2/Services", **REMOTE)
    assert (answer.status_code, answer.json["code"]) == (403, 20403)
    opened = open_verify(otp_apis=("verify_v2",))
    assert opened.site.call("GET", "/v2/Services", **REMOTE).status_code == 401


@pytest.mark.parametrize("query", ["Page=\xff", "\xe9", "a=\x80&PageSize=1"], ids=ascii)
def test_a_query_of_other_bytes_than_ascii_is_refused(open_verify, query):
    """Under a server that lets it pass; to read it as text would be an error of ours."""
    site = open_verify().site
    for path in ("/v2/Services", "/healthz"):
        environ = create_environ(path, "http://localhost", environ_overrides={"REMOTE_ADDR": "127.0.0.1"})
        environ |= {"QUERY_STRING": query, "HTTP_AUTHORIZATION": BASIC}
        body, status, _ = run_wsgi_app(site.app, environ)
        assert (status[:3], b"".join(body)[:1]) == ("400", b"{")
