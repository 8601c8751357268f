"""WhatsApp: template or free text, and the prefix that is ours to add."""

from functools import partial

import pytest

from tests.channels.messages import CODE, RECIPIENT, SANDBOX, SERVICE, TEMPLATE, message


@pytest.fixture
def open_whatsapp(open_channel):
    return partial(open_channel, "whatsapp")


def test_free_text(twilio, open_whatsapp):
    """Without a template the text itself goes out, between two WhatsApp addresses."""
    open_whatsapp().deliver(message())
    assert twilio.messages[0].form == {
        "To": f"whatsapp:{RECIPIENT}",
        "From": SANDBOX,
        "Body": f"Your OTP is: {CODE}",
        "ValidityPeriod": "300",
    }


@pytest.mark.parametrize("to", ["+5491123456789", "+525512345678"])
def test_the_number_that_counts_is_the_one_that_is_asked_for(twilio, open_whatsapp, to):
    """WhatsApp messages go to Argentina with the mobile 9 and to Mexico without the old 1."""
    open_whatsapp().deliver(message(to))
    assert twilio.messages[0].form["To"] == f"whatsapp:{to}"


def test_a_template_takes_the_code_alone(twilio, open_whatsapp):
    """An authentication template has one variable, the code; a Body beside it would be refused (63016)."""
    twilio.contents[TEMPLATE] = "{{1}} is your verification code."
    open_whatsapp(twilio_content_sid=TEMPLATE).deliver(message())
    form = twilio.messages[0].form
    assert (form["ContentSid"], form["ContentVariables"]) == (TEMPLATE, f'{{"1": "{CODE}"}}')
    assert "Body" not in form
    assert twilio.messages[0].text == f"{CODE} is your verification code."


@pytest.mark.parametrize("number", ["+14155238886", "whatsapp:+14155238886"])
def test_the_sender_is_given_with_or_without_its_prefix(twilio, open_whatsapp, number):
    """Both spellings of TWILIO_WHATSAPP_NUMBER are one sender."""
    open_whatsapp(twilio_whatsapp_number=number).deliver(message())
    assert twilio.messages[0].form["From"] == SANDBOX


def test_a_number_comes_before_a_messaging_service(twilio, open_whatsapp):
    """The service may be there for text messages alone."""
    open_whatsapp(twilio_messaging_service_sid=SERVICE).deliver(message())
    assert twilio.messages[0].form["From"] == SANDBOX
    assert "MessagingServiceSid" not in twilio.messages[0].form


def test_a_messaging_service_sends_where_there_is_no_number(twilio, open_whatsapp):
    """With a template, a pool of WhatsApp senders is enough."""
    given = {"twilio_messaging_service_sid": SERVICE, "twilio_content_sid": TEMPLATE}
    open_whatsapp(twilio_whatsapp_number="", **given).deliver(message())
    form = twilio.messages[0].form
    assert (form["MessagingServiceSid"], form["To"]) == (SERVICE, f"whatsapp:{RECIPIENT}")
    assert "From" not in form
