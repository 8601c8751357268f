"""The transport: one deadline, and second tries only where nothing can have happened."""

import errno
import socket
import ssl

import pytest

from otp_app.channels.twilio.answers import TransportError, Unanswered
from otp_app.channels.twilio.transport import NotSent, Throttled, Transport
from otp_app.connections.tcp import dial
from otp_app.core.delivery import Delivery, Outcome, Reason
from tests.channels.messages import CODE, RECIPIENT, UNKNOWN, UNREACHABLE, Clock, Stepping, send, sent
from tests.twilio.broken_twilio import MODES, BrokenTwilio, answer, refused_url
from tests.twilio.broken_twilio import message as twilio_message


def dialler(*failures):
    """A `connect` that first raises these, and a list of the limits that it was given."""
    left, limits = list(failures), []

    def connect(host, port, timeout):
        limits.append(timeout)
        if left:
            raise left.pop(0)
        return dial(host, port, timeout)

    return connect, limits


# One deadline


@pytest.mark.parametrize("mode", ["hang", "slow:1", "drip:0.05"])
def test_the_deadline_ends_every_wait(broken, open_client, mode):
    """An answer that does not come, comes late, or comes byte by byte is cut off; nothing is sent again (F1, F2)."""
    broken.set(mode, "ok")
    assert send(open_client(broken.url, timeout=0.3)) == UNKNOWN
    assert len(broken.posts) == 1


def test_each_write_and_read_has_what_is_left(open_client):
    """The limit is set anew before each, so all together end at the deadline."""
    clock, limits = Clock(), []
    ours, theirs = socket.socketpair()
    theirs.sendall(answer(201, twilio_message()))
    stepping = Stepping(ours, clock, limits)
    assert sent(send(open_client("http://127.0.0.1", timeout=8.0, clock=clock, connect=lambda *_: stepping)))
    assert limits == [8.0, 7.0, 6.0, 5.0]
    theirs.close()


def test_a_slow_answer_within_the_deadline_counts(broken, open_client):
    broken.set("slow:0.1")
    assert sent(send(open_client(broken.url)))


@pytest.mark.parametrize("mode", ["informational", "negative", "trailers"])
def test_an_answer_without_end_is_not_kept(broken, mode):
    """Not even where its body has no length to go by: a gigabyte would fit into the deadline."""
    broken.set(mode)
    transport = Transport(5.0, 8)
    with pytest.raises(Unanswered, match="too long"):
        transport.request("POST", broken.url)
    transport.close()


def test_connecting_has_three_seconds_of_the_deadline(broken, open_client):
    """So that a second try has time left; a shorter deadline shortens it."""
    connect, limits = dialler()
    send(open_client(broken.url, timeout=8.0, clock=Clock(), connect=connect))
    send(open_client(broken.url, timeout=2.0, clock=Clock(), connect=connect))
    assert limits == [3.0, 2.0]


# Second tries


@pytest.mark.parametrize("failure", [
    ConnectionRefusedError(errno.ECONNREFUSED, "refused"), socket.gaierror(socket.EAI_AGAIN, "no resolver"),
    TimeoutError("timed out"), OSError(errno.ENETUNREACH, "no network"), ssl.SSLError("handshake"),
    UnicodeError("no host name"),
])  # fmt: skip
def test_without_a_connection_there_is_one_more_try(broken, open_client, failure):
    """Whatever failed before a byte could leave is tried once more, then refused as unreachable."""
    connect, limits = dialler(failure)
    assert sent(send(open_client(broken.url, connect=connect)))
    connect, limits = dialler(failure, failure)
    assert send(open_client(broken.url, connect=connect)) == UNREACHABLE
    assert (len(limits), len(broken.posts)) == (2, 1)


def test_no_second_try_after_the_deadline(broken, open_client):
    """A first connection that took all the time leaves none for another."""
    clock, tries = Clock(), []

    def connect(host, port, timeout):
        tries.append(timeout)
        clock.sleep(9.0)
        raise TimeoutError

    assert send(open_client(broken.url, timeout=8.0, clock=clock, connect=connect)) == UNREACHABLE
    assert tries == [3.0]


def test_a_reset_before_the_request_was_read_is_unknown(broken, open_client):
    """Nobody can tell it from a reset after it."""
    broken.set("reset-before", "ok")
    assert send(open_client(broken.url)) == UNKNOWN
    assert (len(broken.posts), broken.connections) == (0, 1)


@pytest.mark.parametrize(("mode", "pauses"), [("429:2", [2.0, 2.0]), ("429", [0.5, 0.5]), ("429:0", [0.0, 0.0]),
                                              ("429:soon", [0.5, 0.5]), ("429:-1", [0.5, 0.5]),
                                              ("429:" + "9" * 400, [0.5, 0.5])])
def test_a_429_was_not_processed(broken, open_client, mode, pauses):
    """It is tried twice more, after the pause that the answer names or half a second."""
    clock = Clock()
    broken.set(mode, mode, "ok")
    assert sent(send(open_client(broken.url, clock=clock, sleep=clock.sleep)))
    assert (clock.sleeps, len(broken.posts)) == (pauses, 3)


def test_three_429_are_a_refusal(broken, open_client):
    """The caller learns when Twilio wants to be asked again."""
    clock = Clock()
    broken.set("429:1", "429:1", "429:7", "ok")
    assert send(open_client(broken.url, timeout=60.0, clock=clock, sleep=clock.sleep)) == Delivery(
        Outcome.REFUSED, reason=Reason.THROTTLED, provider_code=20429, retry_after=7.0
    )
    assert len(broken.posts) == 3


def test_no_pause_reaches_beyond_the_deadline(broken, open_client):
    """To wait for a time at which nothing can be asked any more would only hold a thread."""
    clock = Clock()
    broken.set("429:5", "429:5", "ok")
    delivery = send(open_client(broken.url, timeout=8.0, clock=clock, sleep=clock.sleep))
    assert (delivery.reason, delivery.retry_after) == (Reason.THROTTLED, 5.0)
    assert (clock.sleeps, len(broken.posts)) == ([5.0], 2)


def test_after_a_429_an_open_end_is_unknown(broken, open_client):
    """The second try may have been processed, whatever became of the first."""
    clock = Clock()
    broken.set("429", "close", "ok")
    assert send(open_client(broken.url, clock=clock, sleep=clock.sleep)) == UNKNOWN
    assert len(broken.posts) == 2


# What goes over the wire


def test_a_host_never_gets_what_is_for_another(broken):
    """Connections are kept apart by scheme, host and port."""
    with BrokenTwilio() as other:
        transport = Transport(5.0, 8)
        for server in (broken, other, broken, other):
            transport.request("POST", f"{server.url}/a", data={"To": server.url})
        for server in (broken, other):
            assert [post.form["To"] for post in server.posts] == [server.url] * 2
            assert server.connections == 1
        transport.close()


def test_a_request_with_a_query(broken):
    """The SDK hands query parameters over apart."""
    transport = Transport(5.0, 8)
    assert transport.request("GET", f"{broken.url}/a", params={"To": "+1 2"}).status == 201
    assert broken.posts[0].path == "/a?To=%2B1+2"
    transport.request("GET", broken.url)
    assert broken.posts[1].path == "/"
    transport.close()


def test_the_headers_of_a_request(twilio, open_client):
    """The server names itself; answers are asked for as JSON and uncompressed, for nobody unpacks them."""
    send(open_client(twilio.url))
    headers = twilio.calls[0].headers
    assert headers["host"] == twilio.url.removeprefix("http://")
    assert headers["user-agent"] == "otp-app"
    assert (headers["accept"], headers["accept-encoding"]) == ("application/json", "identity")


@pytest.mark.parametrize("mode", sorted(MODES))
def test_no_exception_text_has_a_code_or_a_number(broken, mode):
    """What is raised may end in a log or an answer somewhere else."""
    arguments = {"slow": "0.01", "drip": "0.1", "400": "21211", "problem": "400:400:21211", "failed": "30007"}
    broken.set(f"{mode}:{arguments.get(mode, '')}")
    transport = Transport(0.2, 8)
    try:
        transport.request("POST", broken.url, data={"To": RECIPIENT, "Body": CODE})
    except Exception as error:
        texts = [repr(error), str(error), repr(error.__cause__), repr(error.__context__)]
        assert not [text for text in texts if CODE in text or RECIPIENT[1:] in text]
    finally:
        transport.close()


def test_definite_errors_say_so():
    """A caller can tell what is certain by the class alone."""
    with pytest.raises(NotSent):
        Transport(5.0, 8).request("POST", refused_url())
    assert issubclass(NotSent, TransportError)
    assert not issubclass(Throttled, NotSent)
