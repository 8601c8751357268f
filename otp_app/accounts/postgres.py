"""PostgreSQL as the database of accounts: connections that give up in time."""

from __future__ import annotations

from sqlalchemy import Engine, ExceptionContext, create_engine, event

from otp_app.connections.postgres import Connection, check, may_outlast

#: Seconds: a statement that we gave up must not continue there, and a change that was answered is on the disk.
SETTINGS = """
    SELECT set_config('statement_timeout', '400', false), set_config('synchronous_commit',
        CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false),
        set_config('default_transaction_isolation', 'read committed', false)
"""


def engine(url: str, connections: int, wait: float) -> Engine:
    """Return the engine of a URL of libpq. A caller waits for one of its connections for so many seconds.

    Raises ValueError, which shows no password.
    """
    check(url)

    def connect() -> Connection:
        db = Connection.connect(url, connect_timeout=2, client_encoding="utf8")
        db.execute(SETTINGS)
        db.commit()
        return db

    made = create_engine(
        "postgresql+psycopg://", creator=connect, pool_pre_ping=True,
        pool_size=connections, max_overflow=0, pool_timeout=wait,
    )  # fmt: skip
    event.listen(made, "handle_error", _begin_anew)
    return made


def _begin_anew(context: ExceptionContext) -> None:
    """Replace all connections after a fault that each session may have kept, and that would outlast its cause there."""
    if may_outlast(context.original_exception):
        context.is_disconnect = True
