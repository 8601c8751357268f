"""Fields of bodies: what msgspec refuses is explained, every fault of it."""

import subprocess
import sys

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otp_app.apis.native.fields import SendFields, VerifyFields
from otp_app.apis.phone import fields as phone
from otp_app.apis.users.fields import CheckFields
from otp_app.web import body as bodies
from tests.rounds import rounds

MODELS = [SendFields, VerifyFields, CheckFields, phone.VerifyFields]
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.lists(st.text()), st.dictionaries(st.text(), st.text()),
    st.text(max_size=300), st.sampled_from(["", "login", "a\n", "sms\n", "x" * 65, "+14155552671", "123456"]),
)  # fmt: skip


def fits(field, body):
    """Whether msgspec takes a field of a body, and its reader the text."""
    if field.name not in body:
        return not field.required
    try:
        text = msgspec.convert(body[field.name], field.type)
        for rule in bodies._rules(field):
            isinstance(rule, bodies.Read) and rule.make(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=rounds(40, 100))
@given(data=st.data())
def test_each_field_that_does_not_fit_has_a_fault_and_no_other_one_has(model, data):
    """The faults are found by rules of their own: they must be those of the types."""
    known = msgspec.structs.fields(model)
    body = data.draw(st.dictionaries(st.sampled_from([*(field.name for field in known), "another"]), VALUES))
    wrong = []
    try:
        bodies.read(model, body)
    except bodies.Unfit as error:
        wrong = [fault.field for fault in error.faults]
    assert wrong == [field.name for field in known if not fits(field, body)]


@pytest.mark.parametrize("model", MODELS)
def test_a_pattern_ends_with_the_text_and_says_what_to_write(model):
    """`$` would take a line break at the end, and a client is not shown the pattern."""
    rules = [rule for field in msgspec.structs.fields(model) for rule in bodies._rules(field)]
    for rule in rules:
        if isinstance(rule, msgspec.Meta) and rule.pattern:
            assert rule.pattern.endswith(r"\Z")
            assert rule.description


FAULTS = [
    ({"phone_number": "+" * 65}, "phone_number: String should have at most 64 characters"),
    ({"phone_number": "+1", "verification_id": None}, "verification_id: Input should be a valid string"),
    ({"phone_number": "+1", "verification_id": ""}, "verification_id: String should have at least 1 character"),
    ({"phone_number": "+1", "purpose": "a\n"}, "purpose: write 1 to 32 of a-z, 0-9, _ and -, such as login"),
    ({"phone_number": "+1", "locale": "é"}, "locale: write a language tag, such as pt-BR"),
]


@pytest.mark.parametrize(("body", "line"), FAULTS)
def test_a_fault_of_a_native_request_names_the_field_and_what_to_write(site, body, line):
    answer = site.post("/send-otp", body)
    assert (answer.status_code, answer.json["error"]) == (400, line)


FIRST_REQUESTS = """
import sys, threading
from typing import Annotated
from msgspec import Meta
from otp_app.web.body import Fields, read

def use(start, model):
    start.wait()
    read(model, {"a": "1"})

sys.setswitchinterval(1e-6)
for _ in range(200):
    class Model(Fields, frozen=True, kw_only=True):
        a: Annotated[str, Meta(max_length=9)] | None = None
        b: Annotated[str, Meta(min_length=1, max_length=9)] = ""
    start = threading.Barrier(4)
    threads = [threading.Thread(target=use, args=(start, Model)) for _ in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""


@pytest.mark.slow
def test_the_first_requests_of_a_worker_may_come_at_once():
    """Else msgspec ends the process, with all requests in it, where threads meet a Struct that it does not know."""
    assert subprocess.run([sys.executable, "-c", FIRST_REQUESTS], timeout=60, check=False).returncode == 0
