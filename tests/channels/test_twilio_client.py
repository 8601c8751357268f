"""The client: it rests after a refusal of the credentials, and tells nobody what it sends."""

import logging

import pytest

from otp_app.channels import open_channels
from otp_app.core.delivery import Delivery, Outcome, Reason
from otp_app.core.errors import ChannelDown
from tests.channels.messages import ACCOUNT, CODE, RECIPIENT, UNKNOWN, Clock, message, send
from tests.twilio.broken_twilio import MODES, refused_url

ARGUMENTS = {"slow": "0.01", "drip": "0.1", "400": "21211", "problem": "400:400:21211", "sid": "SMx", "failed": "30007"}


def refused(reason, code=None, sid=""):
    return Delivery(Outcome.REFUSED, sid, reason, code)


@pytest.mark.parametrize(("mode", "expected"), [
    ("500", UNKNOWN), ("503", UNKNOWN), ("302", UNKNOWN), ("html", UNKNOWN), ("empty", UNKNOWN), ("list", UNKNOWN),
    ("null", UNKNOWN), ("object", UNKNOWN), ("deep", UNKNOWN), ("no-sid", UNKNOWN), ("sid:SM123", UNKNOWN),
    ("oversize", UNKNOWN), ("flood", UNKNOWN), ("garbage", UNKNOWN), ("cut", UNKNOWN), ("reset", UNKNOWN),
    ("close", UNKNOWN), ("problem:500:400:21211", UNKNOWN), ("problem:400:500:21211", UNKNOWN),
    ("problem:400:400:21211", refused(Reason.BAD_NUMBER, 21211)), ("400:21211", refused(Reason.BAD_NUMBER, 21211)),
    ("400:21408", refused(Reason.BLOCKED, 21408)), ("400:21610", refused(Reason.OPTED_OUT, 21610)),
    ("400:21612", refused(Reason.BAD_NUMBER, 21612)), ("400:21614", refused(Reason.BAD_NUMBER, 21614)),
    ("400:60200", refused(Reason.BAD_NUMBER, 60200)), ("400:60205", refused(Reason.BAD_NUMBER, 60205)),
    ("400:60410", refused(Reason.SUSPICIOUS, 60410)), ("400:60605", refused(Reason.BLOCKED, 60605)),
    ("401", Delivery(Outcome.REFUSED, "", Reason.AUTH, 20003, retry_after=60.0)), ("403", refused(Reason.ACCOUNT)),
])  # fmt: skip
def test_one_request_whatever_comes_back(broken, open_client, mode, expected):
    """No answer, and no lack of one, makes a second request."""
    broken.set(mode, "ok")
    assert send(open_client(broken.url)) == expected
    assert len(broken.posts) == 1


def test_a_message_that_failed_at_once(broken, open_client):
    """Taken and failed in one answer is a refusal with an id."""
    broken.set("failed:30007")
    delivery = send(open_client(broken.url))
    assert (delivery.outcome, delivery.reason, delivery.provider_code) == (Outcome.REFUSED, Reason.FAILED, 30007)
    assert delivery.provider_id.startswith("SM")


def test_a_refused_connection_is_definite(open_client):
    assert send(open_client(refused_url())) == refused(Reason.UNREACHABLE)


def test_after_a_401_there_is_a_minute_of_rest(broken, open_client):
    """Wrong credentials answer at once for 60 seconds, and the channel says that it is down."""
    clock = Clock()
    client = open_client(broken.url, clock=clock)
    broken.set("401", "ok")
    send(client)
    clock.sleep(59)
    assert send(client) == Delivery(Outcome.REFUSED, reason=Reason.AUTH, retry_after=1.0)
    with pytest.raises(ChannelDown) as down:
        client.ping()
    assert (down.value.retry_after, len(broken.posts)) == (1.0, 1)
    clock.sleep(1)
    client.ping()
    assert send(client).outcome is Outcome.SENT


@pytest.mark.parametrize("mode", ["400:21606", "503", "429:9"])
def test_no_other_refusal_makes_it_rest(broken, open_client, mode):
    """One bad number or one bad minute of Twilio's does not stop the others' messages."""
    client = open_client(broken.url, timeout=2.0)
    broken.set(mode, "ok")
    send(client)
    client.ping()
    assert send(client).outcome is Outcome.SENT


def test_wrong_credentials(twilio, settings_for):
    """Twilio refuses a wrong token as such, once for all channels."""
    sms, whatsapp = open_channels(settings_for(twilio.url, twilio_auth_token="wrong"))
    assert sms.deliver(message()).reason is Reason.AUTH
    assert whatsapp.deliver(message()).reason is Reason.AUTH
    with pytest.raises(ChannelDown):
        whatsapp.ping()
    assert len(twilio.calls) == 1
    sms.close()


def test_an_api_key_is_used_where_there_is_one(twilio, settings_for):
    """The key signs in, the account still names itself in the path."""
    key, secret = "SK" + "1" * 32, "key secret"
    twilio.api_keys[key] = secret
    given = {"twilio_auth_token": "wrong", "twilio_api_key_sid": key, "twilio_api_key_secret": secret}
    sms, _ = open_channels(settings_for(twilio.url, **given))
    assert sms.deliver(message()).outcome is Outcome.SENT
    assert twilio.calls[0].path == f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    sms.close()


def test_region_and_edge_of_the_environment_do_not_count(twilio, settings_for, monkeypatch):
    """TWILIO_REGION and TWILIO_EDGE rewrite hosts, and would break the address of a stand-in."""
    monkeypatch.setenv("TWILIO_REGION", "ie1")
    monkeypatch.setenv("TWILIO_EDGE", "dublin")
    sms, _ = open_channels(settings_for(twilio.url))
    assert sms.deliver(message()).outcome is Outcome.SENT
    sms.close()


def test_twilio_itself_is_the_default(settings_for):
    """Without TWILIO_API_BASE_URL requests go to Twilio over TLS."""
    sms, _ = open_channels(settings_for(""))
    assert sms._twilio.messages.url == f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages.json"


@pytest.mark.parametrize("mode", sorted(MODES))
def test_no_log_has_a_code_or_a_number(broken, open_client, caplog, mode):
    """Whatever happens, at any level, logs have neither what was sent nor to whom."""
    caplog.set_level(logging.DEBUG)
    client = open_client(broken.url, timeout=0.2)
    broken.set(f"{mode}:{ARGUMENTS.get(mode, '')}")
    send(client)
    logged = caplog.text + repr([record.__dict__ for record in caplog.records])
    assert CODE not in logged
    assert RECIPIENT[1:] not in logged


@pytest.mark.parametrize(("mode", "line"), [
    ("401", "error 20003: Check TWILIO_ACCOUNT_SID"), ("400:63016", "error 63016: Outside the 24 hours"),
    ("400:63015", "error 63015: The recipient has to join"), ("400:21608", "error 21608: A trial account"),
    ("400:21606", "error 21606: The sender is not of this account"), ("403", "without an error number"),
    ("503", "Twilio answered HTTP 503"), ("302", "Twilio answered HTTP 302"),
    ("429:9", "Twilio answered 429, too many requests"), ("close", "No clear answer from Twilio: RemoteDisconnected"),
    ("oversize", "Twilio's answer is too long, or cut off"), ("flood", "Twilio's answer is too long, or cut off"),
])  # fmt: skip
def test_the_operator_reads_one_line(broken, open_client, caplog, mode, line):
    """Each fault that is not the recipient's is one warning, with the error number and what to do."""
    broken.set(mode)
    send(open_client(broken.url, timeout=2.0))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert line in record.getMessage()


@pytest.mark.parametrize("mode", ["ok", "400:21211", "400:21610"])
def test_nothing_to_read_about_ordinary_answers(broken, open_client, caplog, mode):
    """A message sent, or refused for its number, is no matter for the operator."""
    broken.set(mode)
    send(open_client(broken.url))
    assert not caplog.records


def test_a_fault_of_the_connection_is_named(open_client, caplog):
    """The operator reads which host could not be reached, and why."""
    send(open_client(refused_url()))
    assert "No connection to 127.0.0.1: ConnectionRefusedError" in caplog.text


def test_nothing_is_kept_of_what_was_sent(broken, open_client):
    """The SDK's own HTTP client keeps its last request, code included; ours keeps none."""
    client = open_client(broken.url)
    send(client)
    kept = repr([vars(client), vars(client._transport), vars(client.messages)])
    assert CODE not in kept
