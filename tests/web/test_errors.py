"""How refusals and failures look."""

import json
import logging
import pkgutil
from importlib import import_module

import pytest
from werkzeug.exceptions import default_exceptions

import otp_app
from otp_app.core.delivery import Reason
from otp_app.core.errors import DeliveryRefused, InvalidInput, LimitReached, OtpError, Overloaded, StoreUnavailable
from otp_app.system import logs
from otp_app.web.rejections import REFUSED_STATUS, RETRY_AFTER, STATUS

SECRET = "+14155552671 has 123456"

for module in pkgutil.walk_packages(otp_app.__path__, "otp_app."):
    if not module.name.endswith((".__main__", ".gunicorn_conf", ".wsgi")):  # those begin to serve
        import_module(module.name)


def subclasses(kind):
    """All that the package defines; tests may have errors of their own."""
    for child in kind.__subclasses__():
        if child.__module__.startswith("otp_app."):
            yield child
        yield from subclasses(child)


ERRORS = [error for error in subclasses(OtpError) if error is not LimitReached]


def made(kind):
    if issubclass(kind, LimitReached):
        return kind("said", 7.2, 5, 3600)
    return kind("said", Reason.BLOCKED) if issubclass(kind, DeliveryRefused) else kind("said")


@pytest.fixture
def failing(site, monkeypatch):
    """A server on which each send raises what is handed in; returns the answer."""

    def send_raising(error):
        def raise_error(*_):
            raise error

        monkeypatch.setattr(site.services.verifications, "send", raise_error)
        return site.send()

    return send_raising


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_refusal_has_its_status(kind):
    """An error that is no input error needs a status of its own: nobody gets 400 for what is not his fault."""
    assert kind.code in STATUS or issubclass(kind, InvalidInput | DeliveryRefused)


def test_every_status_is_used():
    assert {error.code for error in ERRORS} >= set(STATUS)


def test_no_two_refusals_share_a_code():
    """A program can tell them apart; `busy` of a number and of the server by their status, 429 and 503."""
    codes = [error.code for error in subclasses(OtpError) if error is not Overloaded]
    assert len(codes) == len(set(codes))


def test_every_reason_has_its_status():
    """Whatever a channel says, there is an answer."""
    assert set(Reason) == set(REFUSED_STATUS)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_refusal_is_reported_the_same_way(failing, kind):
    """Seed 003's `error`, then the type, the status, and for 429 and 503 when to come back."""
    answer = failing(made(kind))
    body = answer.json
    wait = body.pop("retry_after", None)
    error_type = "blocked" if kind is DeliveryRefused else kind.code
    assert body == {"error": "said", "error_type": error_type, "status": answer.status_code}
    assert answer.headers.get("Retry-After") == (str(wait) if wait else None)
    assert wait or answer.status_code not in RETRY_AFTER
    assert 400 <= answer.status_code < 500 or answer.status_code in (502, 503)


@pytest.mark.parametrize("seconds", [0.2, 1.0, 29.9])
def test_a_wait_is_never_reported_too_short(failing, seconds):
    """A caller that waits as long as `retry_after` says is not refused again: whole seconds, rounded up."""
    error = OtpError("said", seconds)
    assert failing(error).json["retry_after"] >= seconds


@pytest.mark.parametrize("status", default_exceptions)
def test_every_error_of_the_framework_is_json(failing, status):
    """Werkzeug's own errors are HTML; ours never."""
    answer = failing(default_exceptions[status]())
    assert answer.status_code == status
    assert answer.content_type == "application/json"
    assert answer.json["status"] == status
    assert " " not in answer.json["error_type"]
    assert "<" not in answer.get_data(as_text=True)


@pytest.mark.parametrize("path", [
    "", "/send", "/send-otp/", "/x//send-otp", "/./send-otp", "/SEND-OTP", "/verifications/", "/\0", "/a" * 500,
])  # fmt: skip
def test_unknown_paths_are_404(site, path):
    """A path has one spelling; a second one would be a second bucket for limits."""
    answer = site.call("POST", "/", {}, PATH_INFO=path)
    assert (answer.status_code, answer.json["error_type"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/send-otp", "/resend-otp", "/verify-otp"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
def test_other_methods_are_405(site, path, method):
    answer = site.call(method, path, headers={"X-HTTP-Method-Override": "POST"})
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]
    assert method == "HEAD" or answer.json["error_type"] == "method_not_allowed"


def test_what_lasts_is_logged_now_and_then(failing, monkeypatch, caplog):
    """While the server cannot answer, whoever asks must not be able to fill the disk."""
    now = [1000.0]
    monkeypatch.setattr(logs, "_quiet_until", {})
    monkeypatch.setattr(logs.time, "monotonic", lambda: now[0])
    for wait in (0.0, 0.1, logs.QUIET):
        now[0] += wait
        for error in (StoreUnavailable("away"), Overloaded("full")):
            assert failing(error).status_code == 503
    assert [record.getMessage() for record in caplog.records] == ["store_unavailable: away", "busy: full"] * 2


@pytest.mark.parametrize("debug", ["", "1"])
def test_of_a_defect_nothing_is_shown(open_site, monkeypatch, caplog, debug):
    """The answer says no more than 500, in debug mode too; the log has the type and the place, and not the text."""
    monkeypatch.setenv("FLASK_DEBUG", debug)
    site = open_site()
    monkeypatch.setattr(site.services.verifications, "send", lambda *_: {}[SECRET])
    answer = site.send()
    assert answer.status_code == 500
    assert answer.json == {"error": "Internal error", "error_type": "internal_error", "status": 500}
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info[0] is KeyError


def test_a_defect_while_refusing_is_still_json(failing):
    """The last resort holds for what goes wrong before any view as well."""

    class Unprintable(OtpError):
        def __str__(self):
            raise RuntimeError(SECRET)

    answer = failing(Unprintable("said"))
    assert SECRET not in answer.get_data(as_text=True)
    assert json.loads(answer.get_data())["status"] == 500
