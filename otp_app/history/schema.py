"""The tables of a history, in the SQL that SQLite and PostgreSQL share.

The totals are sums of the rows of a day, so that a question about months reads a few hundred rows.
"""

from __future__ import annotations

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS otp_history (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, api TEXT NOT NULL, key_name TEXT NOT NULL, subject TEXT NOT NULL,
        number TEXT NOT NULL, shown TEXT NOT NULL, country TEXT NOT NULL, prefix TEXT NOT NULL,
        begun DOUBLE PRECISION NOT NULL, digits INTEGER NOT NULL, message TEXT NOT NULL, channel TEXT NOT NULL,
        channels TEXT NOT NULL, outcome TEXT NOT NULL, delivery TEXT NOT NULL, error TEXT NOT NULL,
        error_code INTEGER NOT NULL, ended DOUBLE PRECISION NOT NULL, delivered_after DOUBLE PRECISION,
        approved_after DOUBLE PRECISION, attempts INTEGER NOT NULL, sends INTEGER NOT NULL, messages TEXT NOT NULL,
        tags TEXT NOT NULL, steps INTEGER NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS otp_history_number ON otp_history (number, begun)",
    "CREATE INDEX IF NOT EXISTS otp_history_begun ON otp_history (begun)",
    "CREATE INDEX IF NOT EXISTS otp_history_again ON otp_history (subject) WHERE sends > 1",
    """CREATE INDEX IF NOT EXISTS otp_history_subject
        ON otp_history (kind, subject, begun, country, prefix, channels, outcome)""",
    """CREATE TABLE IF NOT EXISTS otp_history_totals (
        day INTEGER NOT NULL, kind TEXT NOT NULL, dimension TEXT NOT NULL, value TEXT NOT NULL, total INTEGER NOT NULL,
        sent INTEGER NOT NULL, delivered INTEGER NOT NULL, approved INTEGER NOT NULL, failed INTEGER NOT NULL,
        messages INTEGER NOT NULL, attempts INTEGER NOT NULL, delivery_seconds DOUBLE PRECISION NOT NULL,
        approval_seconds DOUBLE PRECISION NOT NULL, PRIMARY KEY (day, kind, dimension, value))""",
    "CREATE TABLE IF NOT EXISTS otp_history_marks (name TEXT PRIMARY KEY, at DOUBLE PRECISION NOT NULL)",
)

#: what is known when it begins, and what a later row of the same id may know better
FIXED = (
    "id", "kind", "api", "key_name", "subject", "number", "shown", "country", "prefix", "begun", "digits", "message",
)
CHANGING = (
    "channel", "channels", "outcome", "delivery", "error", "error_code", "ended", "delivered_after", "approved_after",
    "attempts", "sends", "messages", "tags", "steps",
)
COLUMNS = (*FIXED, *CHANGING)
MEASURES = (
    "total", "sent", "delivered", "approved", "failed", "messages", "attempts", "delivery_seconds", "approval_seconds",
)


def marks(count: int) -> str:
    """Return so many placeholders."""
    return ", ".join("?" * count)


def _upsert(table: str, columns: tuple[str, ...], key: str, changes: str) -> str:
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks(len(columns))}) "
        f"ON CONFLICT ({key}) DO UPDATE SET {changes}"
    )


PUT = _upsert("otp_history", COLUMNS, "id", ", ".join(f"{column} = excluded.{column}" for column in CHANGING))
ADD = _upsert(
    "otp_history_totals", ("day", "kind", "dimension", "value", *MEASURES), "day, kind, dimension, value",
    ", ".join(f"{name} = otp_history_totals.{name} + excluded.{name}" for name in MEASURES),
)
MARK = _upsert("otp_history_marks", ("name", "at"), "name", "at = excluded.at")
