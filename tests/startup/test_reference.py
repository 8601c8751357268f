"""What is made from the settings models."""

import pytest

from otp_app.startup import reference
from otp_app.startup.reader import READER
from tests.running import ROOT

FIELDS = READER.fields.values()


def test_the_example_is_made_from_the_models():
    """A new setting needs no second place: `python -m otp_app.startup.reference` writes the file."""
    assert (ROOT / reference.EXAMPLE).read_text(encoding="utf-8") == reference.example(FIELDS)


def test_the_tables_are_made_from_the_models():
    """The same for docs/settings.md; the prose around them stays."""
    shown = (ROOT / reference.DOCUMENT).read_text(encoding="utf-8")
    assert reference.document(shown, FIELDS) == shown
    assert reference.document(shown, [])[: shown.index("<!--")] == shown[: shown.index("<!--")]


def test_the_page_of_errors_is_made_from_their_table():
    """Each number with the sentence that the timeline has."""
    assert (ROOT / reference.ERRORS).read_text(encoding="utf-8") == reference.errors_page()


@pytest.mark.parametrize(("value", "text"), [
    (5000, "5000"), (300.0, "300"), (4e-05, "0.00004"), (True, "1"), ((30, 60), "30,60"), (frozenset(), ""),
])  # fmt: skip
def test_a_default_is_shown_as_one_writes_it(value, text):
    assert reference.text_of(value) == text


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.variable)
def test_each_setting_says_what_it_is_and_what_to_write(field):
    """A pattern is never shown, so it needs a form; and it ends with the text, where $ would take a line break too."""
    assert field.setting.meaning.endswith(".")
    assert "None" not in field.form
    if field.bounds and field.bounds.pattern:
        assert field.setting.form
        assert field.bounds.pattern.endswith(r"\Z")
    if field.setting.guard:
        assert field.form, "a fault of an empty one says what it allows"
