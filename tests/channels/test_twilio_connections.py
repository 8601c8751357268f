"""Kept-alive connections: used again while they are good, left alone as soon as they may not be."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.channels.messages import Clock, send, sent, wait_until


def test_one_connection_serves_one_after_the_other(broken, open_client):
    client = open_client(broken.url)
    assert all(sent(send(client)) for _ in range(20))
    assert (len(broken.posts), broken.connections) == (20, 1)


@pytest.mark.parametrize("mode", ["400:21211", "empty", "html", "chunked"])
def test_a_whole_answer_keeps_its_connection(broken, open_client, mode):
    """A refusal, or nonsense that ends where it says, is no fault of the connection."""
    client = open_client(broken.url)
    broken.set(mode, "ok")
    send(client)
    assert sent(send(client))
    assert broken.connections == 1


@pytest.mark.parametrize("mode", ["last", "oversize", "flood", "cut", "garbage", "reset", "close", "early", "more"])
def test_a_connection_that_is_spent_is_not_used_again(broken, open_client, mode):
    """What follows gets a connection of its own, and is sent once."""
    client = open_client(broken.url)
    broken.set(mode, "ok")
    send(client)
    assert sent(send(client))
    assert (len(broken.posts), broken.connections) == (2, 2)


def test_a_connection_that_the_server_left_is_noticed(broken, open_client):
    """It closed while idle: the next message is written to another one, so it is sent, and once."""
    client = open_client(broken.url)
    broken.set("leave", "ok")
    assert sent(send(client))
    wait_until(lambda: broken.open == 0)
    assert sent(send(client))
    assert (len(broken.posts), broken.connections) == (2, 2)


@pytest.mark.parametrize(("idle", "connections"), [(20.0, 1), (20.1, 2)])
def test_an_idle_connection_grows_old(broken, open_client, idle, connections):
    """After 20 seconds it is not trusted any more."""
    clock = Clock()
    client = open_client(broken.url, clock=clock)
    send(client)
    clock.sleep(idle)
    assert sent(send(client))
    assert broken.connections == connections


def test_connections_of_a_busy_hour_go(broken, open_client):
    """Those used last are used next, so the rest grow old and are closed, though messages keep coming."""
    clock = Clock()
    client = open_client(broken.url, clock=clock)
    send_together(client, broken, 4)
    assert broken.open == 4
    for _ in range(3):
        clock.sleep(10)
        assert sent(send(client))
    wait_until(lambda: broken.open == 1)
    assert broken.connections == 4


def test_the_pool_keeps_as_many_as_there_are_threads(broken, open_client):
    """What comes back beyond its size is closed."""
    client = open_client(broken.url, pool_size=2)
    send_together(client, broken, 4)
    wait_until(lambda: broken.open == 2)


def test_eight_threads(broken, open_client):
    """Each message is sent once, on no more connections than threads."""
    client = open_client(broken.url)
    with ThreadPoolExecutor(8) as threads:
        deliveries = list(threads.map(lambda n: send(client, Body=f"Your OTP is: {n:06}"), range(80)))
    assert len({delivery.provider_id for delivery in deliveries}) == 80
    assert sorted(post.form["Body"][-6:] for post in broken.posts) == [f"{n:06}" for n in range(80)]
    assert broken.connections <= 8


def send_together(client, broken, number):
    """Send so many messages at one moment, each on a connection of its own."""
    broken.set(*["slow:0.2"] * number, "ok")
    start = threading.Barrier(number)

    def one(_):
        start.wait()
        return send(client)

    with ThreadPoolExecutor(number) as threads:
        assert all(map(sent, threads.map(one, range(number))))
    assert broken.connections == number


def test_close_gives_up_idle_connections(broken, open_client):
    """After close the server sees the end of each; a later message opens a new one."""
    client = open_client(broken.url)
    send(client)
    client.close()
    wait_until(lambda: broken.open == 0)
    assert sent(send(client))
