"""gunicorn's log in the form of all other lines, without what a request had in it."""

from __future__ import annotations

import logging
from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from otp_app.system.logs import Lines, formatter


class HttpLog(Logger):  # type: ignore[misc]
    """gunicorn's own messages in the form of all the others."""

    def setup(self, cfg: Any) -> None:
        """Follow a configuration, at the start and at each reload."""
        super().setup(cfg)
        handlers = self.error_log.handlers
        others = [handler for handler in handlers if type(handler) not in (logging.StreamHandler, Lines)]
        if len(others) < len(handlers):  # a master that waits for a reader of its log replaces no worker
            handlers[:] = [*others, Lines()]
        for handler in self.error_log.handlers:
            handler.setFormatter(formatter())

    def debug(self, msg: str, *_: Any, **kwargs: Any) -> None:
        """Write what gunicorn says at DEBUG without its arguments: those are parts of requests.

        Further lines are its whole configuration, with what -e NAME=VALUE sets.
        """
        if words := msg.partition("\n")[0].replace("%s", "").strip(" .:"):
            super().debug(words, **kwargs)
