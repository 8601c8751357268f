"""The console: one line for each message."""

import io

from msgspec.structs import replace

from otp_app.channels.console import ConsoleChannel
from otp_app.core.delivery import Outcome
from tests.channels.messages import message


def test_a_message_is_one_line():
    """A text of several lines, as the origin-bound one, stays one line."""
    stream = io.StringIO()
    ConsoleChannel(stream).deliver(replace(message(), text="Your OTP is: 1\n\n@example.com #1"))
    assert stream.getvalue() == "console: to +14155552671: Your OTP is: 1  @example.com #1\n"


def test_each_line_is_flushed():
    """A line is there when the send is answered, even on a pipe."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(io.BufferedWriter(raw), write_through=False)
    ConsoleChannel(stream).deliver(message())
    assert raw.getvalue()


def test_a_broken_stream_does_not_raise():
    """Nobody knows what a broken pipe has shown."""

    class Broken(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    assert ConsoleChannel(Broken()).deliver(message()).outcome is Outcome.UNKNOWN


def test_letters_that_the_terminal_does_not_have_are_escaped():
    """The code can be read all the same."""
    stream = io.TextIOWrapper(io.BytesIO(), "latin-1")
    assert ConsoleChannel(stream).deliver(replace(message(), text="☎ código 1")).outcome is Outcome.SENT
    assert stream.buffer.getvalue() == "console: to +14155552671: \\u260e código 1\n".encode("latin-1")


def test_closing_leaves_the_stream_open():
    stream = io.StringIO()
    ConsoleChannel(stream).close()
    assert not stream.closed
