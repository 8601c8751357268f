"""Who may call the gRPC API: the rules of the HTTP API, counted together with it."""

import socket
import threading

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from otp_app.apis.grpc import guard, server
from otp_app.apis.grpc.phoneotp_pb2 import SendOTPRequest
from otp_app.apis.grpc.server import opened
from tests.apis.grpc.calling import OK, Client, answering
from tests.web.site import api_key

KEYS = ",".join(
    [
        api_key("shop", "send+verify", "shop secret"),
        api_key("sender", "send", "sender secret"),
        api_key("checker", "verify", "checker secret"),
        api_key("monitor", "metrics", "monitor secret"),
    ]
)
SEND, CHECK = "/phoneotp.PhoneOTPService/SendOTP", "/grpc.health.v1.Health/Check"
UNAUTHENTICATED, DENIED = grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({"authorization": "Bearer shop secret"}, OK),
        ({"authorization": "bearer  shop secret"}, OK),
        ({"x_api_key": "shop secret"}, OK),
        ({"authorization": "Bearer wrong"}, UNAUTHENTICATED),
        ({"authorization": "Bearer wrong", "x_api_key": "shop secret"}, UNAUTHENTICATED),
        ({"x_api_key": ""}, UNAUTHENTICATED),
        ({}, UNAUTHENTICATED),
    ],
)
def test_a_key_is_shown_in_the_metadata(call_site, metadata, code):
    """As in the headers of HTTP; with keys configured nobody calls without one."""
    site, client = call_site(otp_api_keys=KEYS)
    assert client(**metadata).send(site.number()).code == code
    assert len(site.channel.messages) == (code == OK)


@pytest.mark.parametrize(
    ("name", "send", "check"),
    [("shop", OK, OK), ("sender", OK, DENIED), ("checker", DENIED, OK), ("monitor", DENIED, DENIED)],
)
def test_a_key_opens_what_its_scopes_say(call_site, name, send, check):
    """The scope send sends, verify checks."""
    site, client = call_site(otp_api_keys=KEYS)
    assert client(f"{name} secret").send(site.number()).code == send
    assert client(f"{name} secret").verify(site.number(), "123456").code == check


def test_wrong_keys_are_counted_with_those_of_http(call_site):
    """Ten in a minute of one client."""
    site, client = call_site(otp_api_keys=KEYS)
    for _ in range(5):
        assert client("wrong").send(site.number()).code == UNAUTHENTICATED
        assert site.send(key="wrong").status_code == 401
    answer = client("wrong").send(site.number())
    assert (answer.code, answer.details["error_type"]) == (EXHAUSTED, "too_many_wrong_keys")
    assert client("shop secret").send(site.number()).code == OK


def test_a_public_server_has_no_callers_without_a_key_here(call_site):
    """OTP_PUBLIC=1 is for browsers: VerifyOTP tells apart what they must not learn."""
    site, client = call_site(otp_api_keys=KEYS, otp_public="1", otp_countries="US")
    assert client().send(site.number()).code == UNAUTHENTICATED


@pytest.mark.parametrize("header", ["x_forwarded_for", "forwarded", "via", "x_real_ip"])
def test_without_keys_a_proxy_is_rejected(call_site, header):
    """It stands for callers from elsewhere, on a public server too."""
    site, client = call_site(otp_public="1", otp_countries="US")
    assert client().send(site.number()).code == OK
    assert client(**{header: "203.0.113.9"}).send(site.number()).code == DENIED


def test_a_client_behind_a_proxy_does_not_choose_its_address(call_site):
    """The proxy replaces x-forwarded-for, and lets x_forwarded_for through, which WSGI would give the same name."""
    site, client = call_site(otp_api_keys=KEYS, otp_trusted_proxies="127.0.0.1")
    proxy = client("wrong", x_forwarded_for="203.0.113.9")

    def call(address):
        request = SendOTPRequest(phone_number=site.number())
        return proxy.call(proxy.stub.SendOTP, request, x_forwarded_for=f"198.51.100.{address}").code

    assert [call(n) for n in range(11)] == [UNAUTHENTICATED] * 10 + [EXHAUSTED]


def test_without_keys_a_header_with_underscores_is_no_way_in(call_site):
    """What looks like the line of a proxy is rejected however it is spelled."""
    site, client = call_site()
    request = SendOTPRequest(phone_number=site.number())
    assert client().call(client().stub.SendOTP, request, x_forwarded_for="127.0.0.1").code == DENIED


@pytest.mark.parametrize("setting", ["otp_client_limits", "otp_check_limits"])
def test_a_client_is_counted_with_its_http_requests(call_site, setting):
    """Sends and checks each, for a client without a key."""
    site, client = call_site(**{"otp_client_limits": "", "otp_check_limits": "", setting: "2/hour;4/day"})
    sends = setting == "otp_client_limits"

    def limited():
        answer = client().send(site.number()) if sends else client().verify(site.number(), "123456")
        if answer.code == EXHAUSTED:
            assert answer.details["error_type"] == "too_many_requests"
            assert int(answer.details["retry_after"]) <= 3600  # what the hour refuses does not use up the day
        return answer.code == EXHAUSTED

    assert not limited()
    assert (site.send() if sends else site.verify(site.number(), "123456")).status_code in (200, 400)
    assert all(limited() for _ in range(3))
    assert (site.send() if sends else site.verify(site.number(), "123456")).status_code == 429


def test_callers_with_a_key_are_not_counted(call_site):
    """They are servers with many users."""
    site, client = call_site(otp_api_keys=KEYS, otp_client_limits="1/day")
    assert {client("shop secret").send(site.number()).code for _ in range(3)} == {OK}


def test_sends_have_places_and_checks_need_none(call_site):
    """Of OTP_THREADS sends at once one more is turned away, uncounted."""
    site, client = call_site(otp_threads="1", otp_client_limits="1/day", otp_check_limits="")
    site.services.sends.enter()
    answer = client().send(site.number())
    assert (answer.code, answer.details["error_type"]) == (grpc.StatusCode.UNAVAILABLE, "busy")
    assert client().verify(site.number(), "123456").code == OK
    site.services.sends.leave()
    assert client().send(site.number()).code == OK


def test_nothing_begins_after_the_deadline(call_site, monkeypatch):
    """Where the checks before it took that long: nothing is counted and no message is sent."""
    site, client = call_site()
    number, waited = site.number(), threading.Event()

    def slow(self, *_):
        waited.wait(0.3)

    monkeypatch.setattr(guard.ClientLimits, "count", slow)
    assert client().send(number, timeout=0.2).code == grpc.StatusCode.DEADLINE_EXCEEDED
    monkeypatch.undo()
    waited.set()
    assert client().send(number).success
    assert len(site.channel.messages) == 1


@pytest.mark.parametrize("message", [b"\xff", b"\n\x01\xff"])
def test_what_is_no_message_is_an_invalid_argument(call_site, message):
    """Not the server's error."""
    with call_site()[1]() as client:
        answer = client.call(client.channel.unary_unary(SEND), message)
    assert (answer.code, answer.details["error_type"]) == (grpc.StatusCode.INVALID_ARGUMENT, "invalid_input")


def test_a_large_message_is_rejected(call_site):
    """4 KiB; a number and a code are forty bytes."""
    site, client = call_site()
    assert client().send("+" * 4100).code == EXHAUSTED
    assert client().send(site.number()).success


@pytest.mark.parametrize("frames", [10, 500])
@pytest.mark.parametrize("method", [SEND, CHECK])
def test_metadata_that_comes_in_many_frames_is_not_read(call_site, method, frames):
    """grpc counts each frame for itself. With 500 frames of two bytes each, all other calls waited for seconds."""
    with answering(call_site(otp_api_keys=KEYS)[0].services) as target:
        answer = raw_call(target, method, frames)
    assert b"grpc-status\x018" in answer
    assert b"larger than 8192 bytes" in answer or frames == 500  # grpc ends some of these itself, without a message


def raw_call(target: str, method: str, frames: int) -> bytes:
    """Call without a request, with metadata that HTTP/2's table has: each further frame names 3,900 bytes twice."""
    fields = {
        ":method": "POST", ":scheme": "http", ":path": method, ":authority": "localhost", "te": "trailers",
        "content-type": "application/grpc",
    }  # fmt: skip
    head = b"".join(b"\0" + prefixed(name) + prefixed(value) for name, value in fields.items())
    said = [frame(4, 0, 0, b""), frame(1, 1, 1, head + b"\x40" + prefixed("x-a") + prefixed("y" * 3900))]
    said += [frame(9, 0, 1, b"\xbe\xbe")] * frames + [frame(9, 4, 1, b"")]
    with socket.create_connection(("127.0.0.1", int(target.rpartition(":")[2])), timeout=20) as client:
        client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"".join(said))
        answer = b""
        while b"grpc-status" not in answer and (more := client.recv(65536)):
            answer += more
        return answer


def prefixed(text: str) -> bytes:
    """A string of HPACK without its Huffman code; its length has seven bits first."""
    rest, coded = len(text) - 127, bytearray()
    while rest >= 128:
        coded.append(rest % 128 + 128)
        rest //= 128
    return bytes([min(len(text), 127), *coded, *([rest] if len(text) >= 127 else [])]) + text.encode()


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame of HTTP/2."""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def test_whoever_sends_no_request_takes_no_thread(call_site):
    """Callers who are not known are turned away by their metadata; health answers without its request."""
    site, client = call_site(otp_api_keys=KEYS, otp_threads="1")
    release = threading.Event()

    def never():
        release.wait(20)
        yield from ()

    with client() as silent:
        calls = [silent.channel.stream_unary(method).future(never(), timeout=20) for method in [SEND, CHECK] * 40]
        codes = {call.code() for call in calls}  # each waits for its end
        assert client("shop secret").send(site.number()).success
        release.set()
    assert codes <= {UNAUTHENTICATED, EXHAUSTED, OK}


def test_whoever_connects_and_says_nothing_is_disconnected(call_site, monkeypatch):
    """Each takes a descriptor, and so many strangers would keep everybody out for two minutes."""
    options = dict(server.OPTIONS)
    assert options["grpc.server_handshake_timeout_ms"] <= 10_000
    monkeypatch.setattr(server, "OPTIONS", [*(options | {"grpc.server_handshake_timeout_ms": 100}).items()])
    with answering(call_site()[0].services) as target:
        for said in (b"", b"PRI * HTTP"):
            with socket.create_connection(("127.0.0.1", target.rpartition(":")[2]), timeout=10) as silent:
                silent.sendall(said)
                while silent.recv(1000):  # what the server says of itself, and then the end
                    pass


def test_a_port_has_one_server(call_site):
    """A second one would get half of the calls."""
    services, ended = call_site()[0].services, threading.Event()
    with answering(services) as target, opened(services, ended) as second, pytest.raises(RuntimeError):
        second.add_insecure_port(target)


def test_health_needs_no_key(call_site):
    """And says so when the server ends. There is no Watch, which would hold a thread for each client."""
    site, ended = call_site(otp_api_keys=KEYS)[0], threading.Event()
    with answering(site.services, ended) as target, Client(target) as client:
        stub = HealthStub(client.channel)
        assert stub.Check(HealthCheckRequest()).status == HealthCheckResponse.SERVING
        ended.set()
        asked = HealthCheckRequest(service="phoneotp.PhoneOTPService")
        assert stub.Check(asked).status == HealthCheckResponse.NOT_SERVING
        with pytest.raises(grpc.RpcError) as refused:
            next(stub.Watch(HealthCheckRequest()))
    assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("given", [{}, {"otp_api_keys": KEYS}])
def test_reflection_needs_the_key_that_calls_need(call_site, given):
    """Any of them; Postman and grpcurl send it there too."""
    with call_site(**given)[1]() as client:
        database = ProtoReflectionDescriptorDatabase(client.channel)
        if given:
            with pytest.raises(grpc.RpcError) as refused:
                database.get_services()
            assert refused.value.code() == UNAUTHENTICATED
        else:
            assert "phoneotp.PhoneOTPService" in database.get_services()
