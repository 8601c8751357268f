"""How tests are spread over processes: those that share a server go to one process, one after another."""

from __future__ import annotations

import re

from xdist.scheduler import LoadScopeScheduling

STORE = re.compile(r"\[.*?\b(memory|sqlite|redis|postgres)\b")


class ByServer(LoadScopeScheduling):
    """A unit of work is what a file asks of one kind of store, since its tests share a server on it."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        store = STORE.search(test)
        return f"{file} {store[1]}" if store else file
