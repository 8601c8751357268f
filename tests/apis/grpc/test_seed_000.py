"""Seed 000: its names, its environment and its calls, with a real server and client and the stand-in for Twilio."""

import ctypes
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from otp_app.apis.grpc import phoneotp_pb2, phoneotp_pb2_grpc
from otp_app.apis.grpc.servicer import PhoneOtp
from otp_app.apis.grpc.settings import GrpcSettings
from tests.apis.grpc.calling import OK
from tests.apis.grpc.running import RunningGrpc
from tests.phones import fresh_numbers
from tests.provider import Provider
from tests.running import ROOT, RunningServer, wait_until
from tests.web.site import wrong

pytestmark = pytest.mark.slow
CLIENTS = 64
NO_LIMITS = {"OTP_CLIENT_LIMITS": "", "OTP_CHECK_LIMITS": ""}
PROTO = ROOT / "otp_app/apis/grpc/phoneotp.proto"
NUMBERS = fresh_numbers()


@pytest.fixture(scope="module")
def provider():
    with Provider() as provider:
        yield provider
        assert provider.violations == []


def environment(provider, **more):
    """The variables of the seed, the stand-in instead of Twilio, and where the code is."""
    return {
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32, "TWILIO_AUTH_TOKEN": "faketoken1234567",
        "TWILIO_PHONE_NUMBER": "+15005550006", "TWILIO_API_BASE_URL": provider.url,
        "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1",
    } | more  # fmt: skip


@pytest.fixture(scope="module")
def server(provider, tmp_path_factory):
    with RunningGrpc(tmp_path_factory.mktemp("grpc"), **environment(provider, **NO_LIMITS)) as server:
        yield server


def test_the_names_of_the_seed():
    """Of the generated code, whose service the server's own is."""
    assert issubclass(PhoneOtp, phoneotp_pb2_grpc.PhoneOTPServiceServicer)
    assert callable(phoneotp_pb2_grpc.add_PhoneOTPServiceServicer_to_server)
    numbers = {
        field.full_name.removeprefix("phoneotp."): field.number
        for message in phoneotp_pb2.DESCRIPTOR.message_types_by_name.values()
        for field in message.fields
    }
    assert (GrpcSettings().otp_grpc_host, GrpcSettings().otp_grpc_port) == ("127.0.0.1", 50051)
    assert numbers == {
        "SendOTPRequest.phone_number": 1, "SendOTPResponse.success": 1, "VerifyOTPRequest.phone_number": 1,
        "VerifyOTPRequest.otp": 2, "VerifyOTPResponse.success": 1, "VerifyOTPResponse.status": 2,
    }  # fmt: skip


@pytest.mark.parametrize("more", [{}, {"TWILIO_VERIFICATION_SERVICE_SID": "VA" + "1" * 32}], ids=["ours", "Verify"])
def test_the_calls_of_the_seed(provider, tmp_path, more):
    """With the four variables of the seed, and without the last one: a code by SMS, a wrong one, the right one."""
    number = next(NUMBERS)
    with RunningGrpc(tmp_path, **environment(provider, **more)) as server, server.client() as client:
        assert client.send(number)[:2] == (OK, True)
        code = provider.code(number)
        assert client.verify(number, wrong(code))[:3] == (OK, False, "pending")
        assert client.verify(number, code)[:3] == (OK, True, "approved")
        assert client.verify(number, code)[:3] == (OK, False, "failed")
        assert client.send("+1")[:2] == (OK, False)
    assert not re.search(rf"{code}|{re.escape(number)}|Traceback", server.log())


def test_tools_find_the_service(server):
    """By reflection, as grpcurl and Postman do."""
    with server.client() as client:
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(client.channel))
        service = pool.FindServiceByName("phoneotp.PhoneOTPService")
    found = {method.name: (method.input_type.name, method.output_type.name) for method in service.methods}
    assert found == {
        "SendOTP": ("SendOTPRequest", "SendOTPResponse"), "VerifyOTP": ("VerifyOTPRequest", "VerifyOTPResponse"),
    }  # fmt: skip


def test_64_clients_at_once(server, provider):
    """Each on a connection of its own, each with its number and its code."""

    def story(number):
        with server.client() as client:
            sent = client.send(number)
            return sent.success, client.verify(number, provider.code(number)).status

    with ThreadPoolExecutor(CLIENTS) as together:
        assert set(together.map(story, [next(NUMBERS) for _ in range(CLIENTS)])) == {(True, "approved")}


def test_codes_cross_apis(provider, tmp_path):
    """On one store: sent over gRPC and checked over HTTP, and the other way; attempts are one."""
    settings = environment(provider, OTP_STORE_URL=f"sqlite:///{tmp_path}/otp.db")
    number, other, third = next(NUMBERS), next(NUMBERS), next(NUMBERS)
    http, server = RunningServer(tmp_path, provider.url), RunningGrpc(tmp_path, **settings)
    with http, server, server.client() as client:
        assert client.send(number).success
        assert http.post("/verify-otp", {"phone_number": number, "otp": provider.code(number)}).status == 200
        assert http.post("/send-otp", {"phone_number": other}).status == 200
        assert client.verify(other, provider.code(other)).status == "approved"
        assert client.send(third).success
        guess = {"phone_number": third, "otp": wrong(provider.code(third))}
        assert [http.post("/verify-otp", guess).status for _ in range(4)] == [400] * 4
        assert client.verify(third, guess["otp"]).status == "max_attempts_reached"


def test_a_stop_under_load_loses_nothing(provider, tmp_path):
    """What was begun is answered, and what was turned away has sent no message."""
    numbers = [next(NUMBERS) for _ in range(CLIENTS * 3)]
    settings = environment(provider, **NO_LIMITS)
    with RunningGrpc(tmp_path, **settings) as server, server.client() as client, ThreadPoolExecutor(CLIENTS) as pool:
        before = len(provider.posts)
        answers = [pool.submit(client.send, number, timeout=60) for number in numbers]  # a disk may stall for long
        wait_until(lambda: len(provider.posts) > before + 5, "the first messages")
        server.term()
        codes = {number: answer.result().code for number, answer in zip(numbers, answers, strict=True)}
        assert server.wait() == 0
    sent = {number for number, code in codes.items() if code == OK}
    turned_away = {codes[number] for number in set(numbers) - sent}
    assert turned_away <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert {post.number for post in provider.posts} & set(numbers) == sent
    assert sent
    assert "Traceback" not in server.log()


def test_a_signal_to_any_thread_ends_it(provider, tmp_path):
    """Linux may give one that is for the process to a thread of grpc's. SIGHUP and SIGUSR1 end nothing."""
    with RunningGrpc(tmp_path, **environment(provider)) as server, server.client() as client:
        os.kill(server.pid, signal.SIGHUP)
        wait_until(lambda: "HUP does nothing here" in server.log(), "a line on the signal")
        os.kill(server.pid, signal.SIGUSR1)
        wait_until(lambda: "USR1 does nothing here" in server.log(), "a line on the signal")
        client.verify("+14155552671", "123456")
        thread = max(int(task.name) for task in Path(f"/proc/{server.pid}/task").iterdir())
        assert thread != server.pid
        assert ctypes.CDLL(None).tgkill(server.pid, thread, signal.SIGTERM) == 0
        assert server.wait() == 0


def test_the_generated_code_is_that_of_the_file(tmp_path):
    """As script/protos makes it, with nothing changed by hand."""
    (line,) = re.findall(r"-m (grpc_tools\.protoc .*/grpc/.*)$", (ROOT / "script/protos").read_text(), re.MULTILINE)
    copy = tmp_path / PROTO.relative_to(ROOT)
    copy.parent.mkdir(parents=True)
    copy.write_bytes(PROTO.read_bytes())
    arguments = [part.replace("otp_app/apis/grpc/*.proto", str(copy.relative_to(tmp_path))) for part in line.split()]
    subprocess.run([sys.executable, "-m", *arguments], cwd=tmp_path, check=True)
    made = {path.name: path.read_text() for path in copy.parent.iterdir()}
    assert len(made) == 4
    assert made == {name: (PROTO.parent / name).read_text() for name in made}
