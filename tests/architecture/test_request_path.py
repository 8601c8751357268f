"""A request passes no code of another API."""

import base64
import sys
from contextlib import closing

import pytest

from otp_app.apis import APIS
from otp_app.serving.app import create_app
from otp_app.wiring import build
from tests.architecture.source import PACKAGE
from tests.configuration import make_settings

NUMBER = "+14155552671"
CHECK = f"/v2/Services/VA{'1' * 32}/VerificationCheck"
BASIC = {"Authorization": "Basic " + base64.b64encode(b"AC" + b"0" * 32 + b":secret").decode()}

REQUESTS = {
    "native send": ("native", "/send-otp", {"json": {"phone_number": NUMBER}}),
    "native check": ("native", "/verify-otp", {"json": {"phone_number": NUMBER, "otp": "123456"}}),
    "native fault": ("native", "/verify-otp", {"json": {}}),
    "Connect send": ("connect", "/otp.OtpService/GenerateOtp", {"json": {"phone_number": NUMBER}}),
    "users send": ("users", "/send-code", {"json": {"user_id": "ann"}}),
    "phone send": ("phone", "/api/phone/register", {"json": {"phone_number": NUMBER}}),
    "Verify check": ("verify_v2", CHECK, {"data": {"To": NUMBER, "Code": "123456"}, "headers": BASIC}),
}
MOST_FILES = 25  # that a reader of a native request has to open


def files_of(act):
    """The files of the package whose functions a call enters, by their path in it."""
    found = set()

    def note(frame, event, _):
        if event == "call":
            found.add(frame.f_code.co_filename)

    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
    return {name.removeprefix(f"{PACKAGE}/") for name in found if name.startswith(f"{PACKAGE}/")}


@pytest.mark.parametrize(("api", "path", "how"), REQUESTS.values(), ids=REQUESTS)
def test_a_request_enters_no_file_of_another_api(api, path, how, tmp_path):
    """While all APIs are served, but for the metrics, which listen to all."""
    (tmp_path / "users.csv").write_text(f"user_id,phone_number\nann,{NUMBER}\n", encoding="utf-8")
    given = {"otp_apis": tuple(APIS.keys() - {"metrics"}), "otp_directory_url": f"file://{tmp_path}/users.csv"}
    with closing(build(make_settings(otp_store_url="memory://", **given))) as services:
        client = create_app(services=services).test_client()
        files = files_of(lambda: client.post(path, base_url="http://localhost", **how))
    assert {name.split("/")[1] for name in files if name.startswith("apis/")} == {api}
    if api == "native":
        assert len(files) <= MOST_FILES, "\n".join(sorted(files))
