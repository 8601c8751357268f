"""A MariaDB for WordPress: a process of our own at a socket in its folder, without a port, stopped by its pid."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from pathlib import Path

from tests.services import ENVIRONMENT, Service

PATH = f"{os.environ['PATH']}:/usr/sbin"
#: Nothing has to outlive the tests.
NOT_DURABLE = ("--innodb-log-file-size=4M", "--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync")


def mariadb_programs() -> tuple[str, str] | None:
    """The server, and what makes the files of a new one; None: they are not here."""
    server, maker = (shutil.which(name, path=PATH) for name in ("mariadbd", "mariadb-install-db"))
    return (server, maker) if server and maker else None


class MariaDB(Service):
    """Its user root has no password, and a database of the name given."""

    def __init__(self, folder: Path, programs: tuple[str, str], database: str) -> None:
        super().__init__(folder)
        self._server, maker = programs
        self._options = (f"--datadir={folder}/data", f"--user={getpass.getuser()}", *NOT_DURABLE)
        how = ("--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
        subprocess.run(
            [maker, "--no-defaults", *self._options, *how], cwd=folder, env=ENVIRONMENT, check=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=120,
        )  # fmt: skip
        (folder / "start.sql").write_text(f"CREATE DATABASE IF NOT EXISTS {database};\n", encoding="ascii")

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.folder / "socket"

    def command(self) -> list[str]:
        """Nothing of the machine's configuration files."""
        own = (f"--socket={self.socket}", "--skip-networking", f"--init-file={self.folder}/start.sql")
        return [self._server, "--no-defaults", *self._options, *own]

    def answers(self) -> bool:
        """Whether it has begun to listen, which it does once the database is there."""
        return self.socket.exists()
