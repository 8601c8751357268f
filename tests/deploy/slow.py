"""Slow clients: where they come from, and what they send before they stop."""

from __future__ import annotations

import socket

HEAD = b"POST /send-otp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
FROM_ONE_ADDRESS = 40


def connect(port: int, number: int) -> socket.socket:
    """Connect as the client of this number. It has room for little of an answer, and its address is one of many."""
    client = socket.socket()
    client.settimeout(20)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    client.bind((f"127.0.0.{2 + number // FROM_ONE_ADDRESS}", 0))
    client.connect(("127.0.0.1", port))
    return client
