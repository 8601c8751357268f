"""Who may call."""

import socket
from functools import partial

import pytest
from werkzeug.test import create_environ, run_wsgi_app

from otp_app.web import guard, limits
from otp_app.web.limits import StoreStorage
from tests.web.site import api_key

KEYS = ",".join(
    [
        api_key("shop", "send+verify", "shop secret"), api_key("sender", "send", "sender secret"),
        api_key("checker", "verify", "checker secret"), api_key("monitor", "metrics", "monitor secret"),
        api_key("boss", "metrics", "boss secret"),
    ]
)  # fmt: skip
PUBLIC = {"otp_public": "1", "otp_countries": "US"}
REMOTE = {"REMOTE_ADDR": "203.0.113.9"}
SEND, VERIFY = ("POST", "/send-otp"), ("POST", "/verify-otp")
UNREADABLE = [
    "203.0.113.7:51234", "[2001:db8::9]:443", "unknown", "_hidden", "", " ", "127.0.0.1:80", "[::1]:80", "127.0.0.1,",
]  # fmt: skip
STATUS, CANCEL = ("GET", "/verifications/VE" + "0" * 32), ("DELETE", "/verifications/VE" + "0" * 32)


def reached(answer):
    """Whether a view was reached: with an empty body it refuses with 400, without anything found with 404."""
    assert answer.status_code in (400, 401, 403, 404), answer.json
    return answer.status_code in (400, 404)


@pytest.fixture
def keyed(open_site):
    return open_site(otp_api_keys=KEYS)


@pytest.mark.parametrize("header", [
    {"Authorization": "Bearer shop secret"}, {"Authorization": "bearer shop secret"},
    {"Authorization": "Bearer  shop secret "}, {"X-API-Key": "shop secret"},
    {"Authorization": "Basic x", "X-API-Key": "shop secret"},
])  # fmt: skip
def test_a_key_is_shown_in_either_header(keyed, header):
    assert keyed.send(headers=header).status_code == 200


@pytest.mark.parametrize("header", [
    {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer"}, {"Authorization": "Bearer shop secre"},
    {"Authorization": "Bearer wrong", "X-API-Key": "shop secret"}, {"X-API-Key": "wrong"}, {"X-API-Key": ""},
    {"X-API-Key": "sch\xf6n"}, {"X-API-Key": "shop"},
])  # fmt: skip
def test_a_wrong_key_is_401(keyed, header):
    """Also where nobody needs one: a caller that shows a key wants to be known by it."""
    answer = keyed.send(headers=header)
    assert (answer.status_code, answer.json["error_type"]) == (401, "unauthorized")
    assert keyed.channel.messages == []


@pytest.mark.parametrize("path", ["/healthz", "/docs", "/openapi.json"])
def test_what_needs_no_key_asks_no_store_about_a_wrong_one(keyed, monkeypatch, path):
    """The threads of /healthz would wait for a store that hangs, to count wrong keys there."""
    monkeypatch.setattr(guard, "count_wrong_key", lambda _: pytest.fail("the store was asked"))
    assert keyed.call("GET", path, key="wrong").status_code == 200


@pytest.mark.parametrize("header", [{}, {"Authorization": "Basic c2hvcDpzZWNyZXQ="}])
@pytest.mark.parametrize("where", [SEND, VERIFY, ("POST", "/resend-otp"), STATUS, CANCEL])
def test_without_a_key_it_is_401(keyed, where, header):
    """With keys configured nobody calls without one, from this machine neither."""
    answer = keyed.call(*where, {}, headers=header)
    assert (answer.status_code, answer.json["error_type"]) == (401, "unauthorized")


@pytest.mark.parametrize(("secret", "open_to_it"), [
    ("shop secret", [SEND, VERIFY, STATUS, CANCEL]), ("sender secret", [SEND]),
    ("checker secret", [VERIFY, STATUS, CANCEL]), ("monitor secret", []), ("boss secret", []),
])  # fmt: skip
def test_a_key_opens_what_its_scopes_say(keyed, secret, open_to_it):
    """The scope send sends and resends, verify checks, tells the status and cancels; other routes are 403."""
    answers = {where: keyed.call(*where, {}, key=secret) for where in (SEND, VERIFY, STATUS, CANCEL)}
    assert [where for where, answer in answers.items() if reached(answer)] == open_to_it
    assert {answers[where].status_code for where in answers if where not in open_to_it} <= {403}
    assert reached(keyed.call("POST", "/resend-otp", {}, key=secret)) == (SEND in open_to_it)


@pytest.mark.parametrize("given", [PUBLIC, PUBLIC | {"otp_api_keys": KEYS}])
def test_in_public_mode_browsers_send_and_check(open_site, given):
    site = open_site(**given)
    for path in ("/send-otp", "/resend-otp", "/verify-otp"):
        assert reached(site.post(path, {}, **REMOTE))


def test_in_public_mode_status_and_cancel_need_a_key(open_site):
    """What became of a verification is for servers, where keys are configured."""
    site = open_site(**PUBLIC, otp_api_keys=KEYS)
    for where in (STATUS, CANCEL):
        assert not reached(site.call(*where))
        assert reached(site.call(*where, key="checker secret"))


def test_a_key_counts_in_public_mode_too(open_site):
    """A key without the scope is refused, though no key would be needed."""
    site = open_site(**PUBLIC, otp_api_keys=KEYS)
    assert site.send(key="checker secret").status_code == 403


def test_without_configured_keys_a_key_is_nothing(site):
    """An old client's header does no harm on one's own machine."""
    assert site.send(key="any").status_code == 200


# ---- guessing keys


@pytest.fixture
def wrong_keys(open_site, monkeypatch):
    """A server with keys on which the clock of wrong keys stands still; returns it and a way to move the clock."""
    now = [1_750_000_000.0]
    monkeypatch.setattr(limits, "StoreStorage", partial(StoreStorage, clock=lambda: now[0]))

    def move(seconds):
        now[0] += seconds

    return open_site(otp_api_keys=KEYS), move


def test_the_eleventh_wrong_key_of_a_minute_is_429(wrong_keys):
    """Ten wrong keys are reported; from then on the client has to wait, and others do not."""
    site, _ = wrong_keys
    statuses = [site.send(key="wrong").status_code for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    answer = site.send(key="wrong")
    assert answer.json["error_type"] == "too_many_wrong_keys"
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert site.send(key="wrong", **REMOTE).status_code == 401


def test_wrong_keys_have_ratelimit_fields(wrong_keys):
    site, _ = wrong_keys
    answer = [site.send(key="wrong") for _ in range(11)][-1]
    assert answer.headers["RateLimit-Policy"].endswith(";q=10;w=60")
    assert "RateLimit" in answer.headers


def test_the_next_minute_begins_anew(wrong_keys):
    site, move = wrong_keys
    for _ in range(11):
        site.send(key="wrong")
    move(60)
    assert site.send(key="wrong").status_code == 401


def test_a_right_key_is_never_shut_out(wrong_keys):
    """An attacker with the address of our own server cannot lock that server out."""
    site, _ = wrong_keys
    for _ in range(12):
        site.send(key="wrong")
    assert site.send(key="shop secret").status_code == 200


# ---- readyz


def test_readyz_of_a_server_for_its_own_machine(site):
    """It tells what does not work: nothing for strangers."""
    assert site.call("GET", "/readyz").status_code == 200
    assert site.call("GET", "/readyz", REMOTE_ADDR="::1").status_code == 200
    assert site.call("GET", "/readyz", **REMOTE).status_code == 403


@pytest.mark.parametrize("given", [{"otp_api_keys": KEYS}, PUBLIC])
def test_readyz_of_an_open_server_needs_a_key_from_its_own_machine_too(open_site, given):
    """A proxy there may send nothing that shows it, as nginx does since 1.29.7."""
    site = open_site(**given)
    assert site.call("GET", "/readyz").status_code == 401
    assert site.call("GET", "/readyz", **REMOTE).status_code == 401


def test_readyz_is_for_the_metrics_scope(keyed):
    """From elsewhere a key opens it, if it has the scope."""
    assert keyed.call("GET", "/readyz", key="monitor secret", **REMOTE).status_code == 200
    assert keyed.call("GET", "/readyz", key="shop secret", **REMOTE).status_code == 403


def test_readyz_behind_a_proxy_is_not_for_its_clients(open_site):
    """The proxy is on this machine, who asks through it is not."""
    site = open_site(**PUBLIC, otp_trusted_proxies="127.0.0.1")
    for hops in [*UNREADABLE, "127.0.0.1, 203.0.113.9", "127.0.0.1", "::1"]:
        assert site.call("GET", "/readyz", headers={"X-Forwarded-For": hops}).status_code == 401, hops


def test_readyz_stays_closed_where_the_proxy_forgets_to_name_the_client(open_site):
    """A trusted proxy on this machine without X-Forwarded-For looks like a caller on it: the key decides."""
    site = open_site(otp_api_keys=KEYS, otp_trusted_proxies="127.0.0.1")
    assert site.call("GET", "/readyz").status_code == 401
    assert site.call("GET", "/readyz", key="monitor secret").status_code == 200


def test_healthz_is_for_everybody(keyed):
    assert keyed.call("GET", "/healthz", **REMOTE).status_code == 200


def test_a_view_that_says_nothing_is_refused(site):
    """A view without @requires is closed, not open."""
    site.app.add_url_rule("/forgotten", view_func=lambda: "open", endpoint="forgotten")
    answer = site.call("GET", "/forgotten")
    assert (answer.status_code, answer.json["error_type"]) == (403, "forbidden")


# ---- Host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:5000", "localhost:80", "LOCALHOST", "[::1]:5000"])
def test_names_of_this_machine_are_its_own(site, host):
    assert site.call("GET", "/healthz", HTTP_HOST=host).status_code == 200


@pytest.mark.parametrize("host", [
    "", "evil.example", "127.0.0.1.evil.example", "localhost.", "localhost:port", "localhost:0", "a b", "127.0.0.1@x",
    "127.0.0.2", "[::2]",
])  # fmt: skip
def test_another_name_is_refused(site, host):
    """On a server for this machine another Host is a web page whose name was bound to loopback."""
    answer = site.call("GET", "/healthz", HTTP_HOST=host)
    assert (answer.status_code, answer.json["error_type"]) == (400, "bad_host")


def test_no_host_at_all_is_refused(site):
    """HTTP/1.0 may leave it out, and Flask's own check lets that pass."""
    environ = create_environ("/healthz") | {"REMOTE_ADDR": "127.0.0.1"}
    del environ["HTTP_HOST"]
    _, status, _ = run_wsgi_app(site.app, environ)
    assert status == "400 BAD REQUEST"


def test_the_bound_name_is_trusted(open_site):
    assert open_site(host="127.0.0.2").call("GET", "/healthz", HTTP_HOST="127.0.0.2:5000").status_code == 200


def test_with_keys_any_well_formed_host_will_do(keyed):
    """Rebinding gets nobody a key; a proxy may pass any name."""
    assert keyed.call("GET", "/healthz", HTTP_HOST="otp.example").status_code == 200
    assert keyed.call("GET", "/healthz", HTTP_HOST="").status_code == 400


def test_trusted_hosts_are_a_list(open_site):
    """OTP_TRUSTED_HOSTS: these names, and with a leading dot what is below."""
    site = open_site(otp_api_keys=KEYS, otp_trusted_hosts="otp.example,.inner.example,Mixed.Example")
    good = ("otp.example", "OTP.example:443", "a.inner.example", "mixed.example")
    bad = ("x.otp.example", "inner.example.evil", "xinner.example", "127.0.0.1")
    answers = {host: site.call("GET", "/healthz", HTTP_HOST=host).status_code for host in good + bad}
    assert answers == dict.fromkeys(good, 200) | dict.fromkeys(bad, 400)


def test_what_is_public_is_no_more_than_that(open_site):
    """Strangers may send and check; who read or ended the verifications of others would need no code."""
    site = open_site(**PUBLIC)
    sent = site.send("+14155552671", **REMOTE)
    where = f"/verifications/{sent.json['verification_id']}"
    assert [site.call(method, where, **REMOTE).status_code for method in ("GET", "DELETE")] == [401, 401]
    assert site.verify("+14155552671", **REMOTE).status_code == 200


# ---- a server that nothing opens for others


ELSEWHERE = [
    "203.0.113.9", "10.0.0.1", "::ffff:203.0.113.9", "fe80::1%eth0", "2001:db8::1", "", "localhost", "0.0.0.0", "::",
]  # fmt: skip
BY_PROXIES = [
    "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Prefix",
    "X-Forwarded-Server", "X-Forwarded", "X-Real-IP", "Via", "CF-Connecting-IP", "True-Client-IP", "X-Client-IP",
    "Forwarded-For", "X-Original-Forwarded-For", "Fly-Client-IP", "X-Envoy-External-Address",
]  # fmt: skip
PATHS = ["/send-otp", "/healthz", "/readyz", "/openapi.json", "/nothing", "//send-otp"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:5000", "192.0.2.1"])
@pytest.mark.parametrize("peer", ELSEWHERE)
def test_a_server_without_callers_refuses_every_peer_from_elsewhere(site, peer, host):
    """403 on every path, whatever the server was started with and whatever Host says."""
    for path in PATHS:
        answer = site.call("POST", path, {"phone_number": "+14155552671"}, REMOTE_ADDR=peer, HTTP_HOST=host)
        assert (answer.status_code, answer.json["error_type"]) == (403, "forbidden")
    assert site.channel.messages == []


@pytest.mark.parametrize("name", BY_PROXIES)
@pytest.mark.parametrize("value", ["127.0.0.1", ""])
def test_a_server_without_callers_refuses_what_came_through_a_proxy(site, name, value):
    """A proxy on this machine asks from loopback, and may name loopback as the host."""
    answer = site.send(headers={name: value})
    assert (answer.status_code, answer.json["error_type"]) == (403, "forbidden")
    assert site.channel.messages == []


@pytest.mark.parametrize("protocol", ["HTTP/1.0", "HTTP/1"])
def test_a_server_without_callers_knows_nginx_without_any_header(site, protocol):
    """Its default is HTTP/1.0 with `Connection: close`, which no client needs to say; granian calls that HTTP/1."""
    nginx = {"SERVER_PROTOCOL": protocol, "HTTP_CONNECTION": "close"}
    assert site.send(**nginx).status_code == 403
    assert site.send(SERVER_PROTOCOL="HTTP/1.0").status_code == 200


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"])
def test_a_server_without_callers_serves_its_own_machine(site, peer):
    assert site.send(REMOTE_ADDR=peer).status_code == 200


@pytest.mark.parametrize("server", ["gunicorn", "werkzeug"])
def test_a_unix_peer_cannot_pass_for_loopback(site, server):
    """It may bind its end of the connection to any name, and gunicorn and flask run take that for an address."""
    with socket.socket(socket.AF_UNIX) as connection:
        assert site.send(**{f"{server}.socket": connection}).status_code == 403


def test_behind_a_server_that_hides_proxies_nothing_is_local(site):
    """waitress removes X-Forwarded-For and its like by default, so a proxy's request looks like any other."""
    assert site.send(**{"waitress.client_disconnected": lambda: False}).status_code == 403


@pytest.mark.parametrize("given", [{"otp_api_keys": KEYS}, PUBLIC])
def test_an_open_server_serves_through_any_proxy(open_site, given):
    site = open_site(**given)
    for name in BY_PROXIES:
        assert site.send(key="shop secret", headers={name: "203.0.113.9"}, **REMOTE).status_code == 200


@pytest.mark.parametrize("header", [{"X-API-Key": ""}, {"X-API-Key": " "}, {"Authorization": "Bearer "},
                                    {"Authorization": "Bearer"}])  # fmt: skip
def test_an_empty_key_is_never_a_key(open_site, header):
    """It is a wrong key, on a server that others may call without one too."""
    site = open_site(otp_api_keys=api_key("shop", "send", "key"), otp_public=True, otp_countries="US")
    assert site.send(headers=header).status_code == 401
    assert site.channel.messages == []
