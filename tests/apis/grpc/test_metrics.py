"""Metrics of gRPC calls: each once, by its method and its status, and why what was not done was not."""

from __future__ import annotations

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from otp_app.core.errors import StoreUnavailable
from tests.monitoring.metrics.reading import Samples, read, value
from tests.running import wait_until
from tests.web.site import api_key

KEYS = f"{api_key('shop', 'send+verify', 'shop')},{api_key('monitor', 'metrics', 'monitor')}"
MEASURED = {"otp_apis": ("native", "metrics"), "otp_client_limits": ""}


def samples(site) -> Samples:
    key = "monitor" if site.services.is_open else ""
    return read(site.call("GET", "/metrics", key=key).get_data(as_text=True))


def calls(site) -> dict[tuple[str, str], float]:
    """How many calls there were, by method and status."""
    found = {name_and_labels: number for name_and_labels, number in samples(site).items() if number}
    of_calls = [(dict(labels), number) for (name, labels), number in found.items() if name == "otp_grpc_calls_total"]
    return {(labels["method"], labels["code"]): number for labels, number in of_calls}


def test_calls_are_counted_by_method_and_status(call_site):
    """A refusal of the number is a call that went well, and one of the caller is not."""
    site, client = call_site(**MEASURED, otp_api_keys=KEYS)
    number = site.number()
    client("shop").send(number)
    client("shop").send(number)
    client("shop").verify(number, site.code())
    client("wrong").send(number)
    client("monitor").verify(number, "123456")
    found = samples(site)
    assert calls(site) == {
        ("SendOTP", "OK"): 2, ("VerifyOTP", "OK"): 1, ("SendOTP", "UNAUTHENTICATED"): 1,
        ("VerifyOTP", "PERMISSION_DENIED"): 1,
    }  # fmt: skip
    assert value(found, "otp_grpc_call_duration_seconds_count", method="SendOTP") == 3
    assert 0 < value(found, "otp_grpc_call_duration_seconds_sum", method="SendOTP") < 60
    rejected = {kind: value(found, "otp_rejections_total", api="grpc", error_type=kind)
                for kind in ("resend_too_soon", "unauthorized", "forbidden")}  # fmt: skip
    assert set(rejected.values()) == {1}
    assert value(found, "otp_limits_reached_total", limit="resend_too_soon", of="number") == 1
    assert value(found, "otp_approvals_total") == 1


def test_what_fails_is_counted_as_it_ends(call_site, monkeypatch):
    site, client = call_site(**MEASURED, otp_api_keys=KEYS)

    def away(*_):
        raise StoreUnavailable

    monkeypatch.setattr(site.services.verifications, "send", away)
    client("shop").send("+14155552671")
    monkeypatch.setattr(site.services.verifications, "send", lambda *_: 1 / 0)
    client("shop").send("+14155552671")
    assert calls(site) == {("SendOTP", "UNAVAILABLE"): 1, ("SendOTP", "INTERNAL"): 1}
    assert value(samples(site), "otp_rejections_total", api="grpc", error_type="store_unavailable") == 1


def test_what_is_no_method_of_ours_makes_no_series_of_its_own(call_site):
    """A scanner would fill the memory."""
    site, client = call_site(**MEASURED, otp_api_keys=KEYS)
    channel = client("shop").channel
    for name in ("/x.Y/Zzzz", "/phoneotp.PhoneOTPService/Zzzz"):
        with pytest.raises(grpc.RpcError, match="UNIMPLEMENTED"):
            channel.unary_unary(name)(b"", timeout=20)
    assert calls(site) == {("none", "UNIMPLEMENTED"): 2}
    assert "Zzzz" not in site.call("GET", "/metrics", key="monitor").get_data(as_text=True)


def test_health_and_reflection_are_counted_too(call_site):
    site, client = call_site(**MEASURED)
    channel = client().channel
    HealthStub(channel).Check(HealthCheckRequest(), timeout=20)
    ProtoReflectionDescriptorDatabase(channel).get_services()
    wait_until(lambda: len(calls(site)) == 2, "the end of a stream")
    assert {method: number for (method, _), number in calls(site).items()} == {"Check": 1, "ServerReflectionInfo": 1}


def test_usual_series_are_there_from_the_start(call_site):
    """An alert on an increase misses the first one of a series that comes with it."""
    site, _ = call_site(**MEASURED, otp_api_keys=KEYS)
    there = {frozenset(labels) for name, labels in samples(site) if name == "otp_grpc_calls_total"}
    assert frozenset({("method", "SendOTP"), ("code", "INTERNAL")}) in there
    assert calls(site) == {}


def test_without_metrics_nothing_is_counted(call_site):
    site, client = call_site()
    assert site.services.meter is None
    assert client().send(site.number()).success
