"""What a command looks at: it says where, and whether there is anything, since other settings name other places."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

import click

from otp_app.cli.command import SOURCES
from otp_app.plugins.loading import CLASS_PATH
from otp_app.settings import keyring

#: a host, where no password has been taken for one
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]*\]|[^:\[\]]*)(?::[0-9]+)?")


class Source(NamedTuple):
    """A place where records are looked for."""

    kind: str  # store, history or accounts
    setting: str  # which names it
    url: str  # "" where the settings name none
    exists: bool = True

    def announce(self) -> None:
        """Print it to standard error, and have `say` add it to the JSON object of this command."""
        print(f"{self.kind.capitalize()}: {self._shown()}", file=sys.stderr)
        if context := click.get_current_context(silent=True):
            url = without_secrets(absolute(self.url)) if self.url else None
            context.meta.setdefault(SOURCES, {})[self.kind] = {"url": url, "exists": self.exists}

    def _shown(self) -> str:
        if self.exists:
            return without_secrets(self.url)
        if not self.url:
            return f"none ({self.setting})"
        file = keyring.database(self.url)
        return f"none at {file.absolute() if file else without_secrets(self.url)} ({self.setting})"


def without_secrets(url: str) -> str:
    """Return a URL without the name, the password and the options in it; of one that is mistyped its scheme at most."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url.partition("?")[0] if CLASS_PATH.fullmatch(url) else "a URL that cannot be read"
    if scheme == "sqlite" and rest.startswith("/"):
        return f"{scheme}://{rest.partition('?')[0]}"
    user, _, place = rest.rpartition("@")  # libpq takes a ? in a password as it is, others begin the options there
    place = place.partition("?")[0]
    is_unclear = "/" in user or ("?" in user and ("=" in user or not scheme.startswith("postgres")))
    hosts = place.partition("/")[0].split(",")
    return f"{scheme}://{'…' if is_unclear or not all(map(_HOST.fullmatch, hosts)) else place}"


def absolute(url: str) -> str:
    """Return a URL of a SQLite file with the whole path of the file; others stay as they are."""
    file = keyring.database(url)
    return f"sqlite:///{file.absolute()}" if file else url


def accounts_beside(store: Path) -> Path:
    """Return where the accounts of a SQLite store lie mostly."""
    return store.absolute().with_name("accounts.db")
