"""What each answer of Twilio means: the one table, and what is in no table."""

import pytest
from twilio.base.exceptions import TwilioRestException, TwilioServiceException

from otp_app.channels.twilio import errors
from otp_app.channels.twilio.answers import Unanswered
from otp_app.channels.twilio.outcomes import explain, of_error, of_message
from otp_app.channels.twilio.transport import NotSent, Throttled
from otp_app.core.delivery import Delivery, ErrorClass, Outcome, Reason
from tests.channels.messages import UNKNOWN
from tests.twilio.twilio_model import ERRORS

SID = "SM" + "0a" * 16
GROUPS = {  # as Twilio's reference groups them
    Reason.BAD_NUMBER: [
        *[21211, 21265, 21266, 21612, 21614, 21635, 30005, 30006, 60200, 60205, 63003, 63024, 63031, 63032],
    ],
    Reason.BLOCKED: [21408, 60605],
    Reason.SUSPICIOUS: [30450, 60410],
    Reason.OPTED_OUT: [21610, 63014, 63033],
    Reason.THROTTLED: [20429, 21611, 30001, 60202, 60203, 60212, 63018],
    Reason.AUTH: [20003],
    Reason.ACCOUNT: [
        *[10001, 20005, 20008, 21212, 21603, 21606, 21608, 21655, 21656, 21659, 21660, 21703, 21705, 21910],
        *[30002, 30034, 60204, 60223, 63001, 63005, 63007, 63008, 63013, 63015, 63016, 63020, 63021, 63027, 63028],
        *[63041, 63042, 63049, 63051],
        # A fault in our request.
        *[20001, 20004, 20404, 21602, 21604, 21609, 21617, 21624, 21654],
    ],
}
SORTED = {code for codes in GROUPS.values() for code in codes}
#: Of a message that was taken, these say that it did not arrive, and nothing about whose fault that is.
FAILED = {30003, 30004, 30007, 30008, 30410}
#: The provider's own fault: nothing is certain.
UNCERTAIN = {20500, 20503}


def resource(sid=SID, status="queued", error_code=None):
    return {"sid": sid, "status": status, "error_code": error_code}


def rest(status, code):
    return TwilioRestException(status, "/Messages.json", "text", code)


def service(status, code):
    return TwilioServiceException("about:blank", "title", status, code)


@pytest.mark.parametrize("family", [rest, service])
@pytest.mark.parametrize(("reason", "code"), [(reason, code) for reason, codes in GROUPS.items() for code in codes])
def test_error_numbers(family, reason, code):
    """A 4xx was not processed; its error number says why, in both of the SDK's families of exceptions."""
    assert of_error(family(400, code)) == Delivery(Outcome.REFUSED, reason=reason, provider_code=code)


def test_every_number_that_is_known_is_sorted():
    """A new one in the table, or in what the stand-in answers, has to be put in a group here."""
    assert errors.CODES == SORTED | FAILED | UNCERTAIN
    assert {int(code) for code in ERRORS} <= errors.CODES
    assert not [code for code in FAILED | UNCERTAIN if errors.reason(code)]


@pytest.mark.parametrize("code", sorted(FAILED))
def test_a_message_that_did_not_arrive_has_failed(code):
    """A handset that is off and a filter are no fault of the number, nor of the account."""
    assert of_message(resource(SID, "undelivered", code)) == Delivery(Outcome.REFUSED, SID, Reason.FAILED, code)


@pytest.mark.parametrize(("status", "code", "reason"), [
    (400, 99999, Reason.ACCOUNT), (404, 20404, Reason.ACCOUNT), (403, 20003, Reason.AUTH),
    (401, 70051, Reason.AUTH), (429, 99999, Reason.THROTTLED),
])  # fmt: skip
def test_numbers_in_no_table(status, code, reason):
    """What the error number does not tell, the HTTP status does: 401, 429, and every other 4xx is our account's."""
    assert of_error(rest(status, code)) == Delivery(Outcome.REFUSED, reason=reason, provider_code=code)


@pytest.mark.parametrize("code", [403, None, "21211", [], True])
def test_an_error_number_is_a_number(code):
    """The SDK puts the HTTP status where there is no number, and passes on whatever JSON had: neither is shown."""
    assert of_error(rest(403, code)) == Delivery(Outcome.REFUSED, reason=Reason.ACCOUNT)


@pytest.mark.parametrize("status", [101, 200, 302, 500, 503, 599, None, "400"])
@pytest.mark.parametrize("family", [rest, service])
def test_no_other_status_is_definite(family, status):
    """After a 5xx the message may have gone, whatever the error number says."""
    assert of_error(family(status, 21211)) == UNKNOWN


@pytest.mark.parametrize("error", [ValueError(), AttributeError(), RecursionError(), TimeoutError(), Unanswered()])
def test_any_other_exception_is_unknown(error):
    """Only what is known to be definite is taken for definite."""
    assert of_error(error) == UNKNOWN


def test_without_a_connection_nothing_was_sent():
    assert of_error(NotSent()) == Delivery(Outcome.REFUSED, reason=Reason.UNREACHABLE)


@pytest.mark.parametrize(("answer", "code"), [
    ('{"code": 21611}', 21611), ('{"code": "x"}', None), ("{}", None), ("[]", None), ("<", None), ("[" * 9**5, None),
])  # fmt: skip
def test_throttled(answer, code):
    """A 429 keeps its error number, where it has one, and the time after which to come back."""
    expected = Delivery(Outcome.REFUSED, reason=Reason.THROTTLED, provider_code=code, retry_after=7.0)
    assert of_error(Throttled(answer, 7.0)) == expected


@pytest.mark.parametrize("status", ["queued", "accepted", "sending", "sent", "scheduled", "delivered", None, "new"])
@pytest.mark.parametrize("sid", [SID, "MM" + "9f" * 16])
def test_taken(sid, status):
    """A message with an id was taken, unless its status says that it is dead."""
    assert of_message(resource(sid, status)) == Delivery(Outcome.SENT, sid)


@pytest.mark.parametrize("sid", [
    None, "", 5, [], "SM", SID + "0", SID + "\n", "xx" + SID, "VE" + SID[2:], SID.upper(), "SM" + "\u0661" * 32,
])  # fmt: skip
@pytest.mark.parametrize("status", ["queued", "failed"])
def test_without_an_id_nobody_knows(sid, status):
    """An answer that names no message proves neither that there is one nor that there is none."""
    assert of_message(resource(sid, status)) == UNKNOWN


@pytest.mark.parametrize("status", ["failed", "undelivered", "canceled"])
@pytest.mark.parametrize(("code", "known", "reason"), [
    (30034, 30034, Reason.ACCOUNT), (21610, 21610, Reason.OPTED_OUT), (30007, 30007, Reason.FAILED),
    (None, None, Reason.FAILED), ("x", None, Reason.FAILED), ("30007", 30007, Reason.FAILED),
])  # fmt: skip
def test_taken_and_dead_at_once(status, code, known, reason):
    """A message that has failed before the answer was written is refused, under the id that Twilio gave."""
    assert of_message(resource(SID, status, code)) == Delivery(Outcome.REFUSED, SID, reason, known)


def test_explanations_tell_which_setting_to_change():
    """Of an error that is in no table the operator gets the page."""
    assert "TWILIO_CONTENT_SID must name" in explain(63016)  # which it does not yet, or not the right one
    assert "TWILIO_AUTH_TOKEN" in explain(20003)
    assert "join" in explain(63015)
    assert "trial" in explain(21608)
    assert explain(99999) == "error 99999: see https://www.twilio.com/docs/api/errors/99999"
    assert explain(None) == "without an error number"


#: what another channel of the same account cannot change: the account, a protection, and a number that does not exist
NOWHERE = {
    *[10001, 20001, 20003, 20004, 20005, 20008, 20404, 21602, 21604, 21608, 21609, 21617, 21624, 30002, 60204, 60223],
    *[63001, 63020, 63051, 30450, 60410, 21211, 21266, 30005, 60200, 63031],
}


def test_each_error_has_a_class_a_remedy_and_a_way_out():
    """The table says whether another channel can help; each sentence says two things, and is no longer than a line."""
    meanings = {code: errors.meaning(code) for code in errors.CODES}
    assert {code for code, meaning in meanings.items() if not meaning.elsewhere} == NOWHERE
    assert {meaning.error_class for meaning in meanings.values()} == set(ErrorClass)
    assert errors.meaning(99999)[::2] == (ErrorClass.UNKNOWN, True)
    assert [code for code, meaning in meanings.items() if not 40 < len(meaning.sentence) < 200] == []
