"""The stand-in for Twilio as tests of the whole server use it: it knows when each message came, and can be hooked."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.history import Post
from tests.running import wait_until
from tests.twilio.fake_twilio import FakeTwilio


class Provider(FakeTwilio):
    """Accepts every message and keeps it in `posts`.

    `on_message` is called with each message after it was taken and before it is answered: the moment in which the
    recipient has a code that the server knows nothing more of.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.posts: list[Post] = []
        self.on_message: Callable[[Post], None] = lambda _: None

    def start(self, host: str = "127.0.0.1", port: int = 0) -> Provider:
        """Answer on a free port of loopback."""
        super().start(host, port)
        return self

    __enter__ = start

    def on_CreateMessage(self, call: Any) -> Any:  # noqa: N802  the name is the operation's in Twilio's documents
        """Take a message as Twilio does."""
        return self._posted(super().on_CreateMessage(call))

    def on_CreateVerification(self, call: Any) -> Any:  # noqa: N802  as above
        """Send a code of its own, as Twilio Verify does."""
        return self._posted(self.verify.on_CreateVerification(call))

    def _posted(self, answer: Any) -> Any:
        post = Post(time.monotonic(), answer["to"].removeprefix("whatsapp:"), self.code_for(answer["to"]) or "")
        self.posts.append(post)
        self.on_message(post)
        return answer

    def code(self, number: str) -> str:
        """The code that a number received last; waits for it where a message is still on its way."""
        wait_until(lambda: self.code_for(number), f"a message to {number}")
        return str(self.code_for(number))
