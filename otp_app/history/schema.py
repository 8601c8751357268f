"""The tables of a history, in the SQL that SQLite and PostgreSQL share.

The totals are sums of the rows of a day, so that a question about months reads a few hundred rows. The attempts are
counts of a day too, by all that Verify's Summary can be asked for.
"""

from __future__ import annotations

MARKS = "CREATE TABLE IF NOT EXISTS otp_history_marks (name TEXT PRIMARY KEY, at DOUBLE PRECISION NOT NULL)"

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
#: what all verifications of a row of otp_history_attempts have in common
ALIKE = ("subject", "prefix", "day", "country", "channels", "outcome")


def schema(clustered: str = "") -> tuple[str, ...]:
    """Return what makes the tables. `clustered`: what has a table be its own primary index, where that can be said."""
    return (
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
        """CREATE INDEX IF NOT EXISTS otp_history_faults
            ON otp_history (kind, begun, error, error_code, subject) WHERE error <> ''""",
        "DROP INDEX IF EXISTS otp_history_again",
        # A piece of an id is enough to find it, and takes a third of the room.
        "CREATE INDEX IF NOT EXISTS otp_history_message ON otp_history ((substr(message, 3, 8)))",
        f"""CREATE TABLE IF NOT EXISTS otp_history_later (
            piece TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (piece, id)){clustered}""",
        """CREATE INDEX IF NOT EXISTS otp_history_subject
            ON otp_history (kind, subject, begun, country, prefix, channels, outcome)""",
        """CREATE TABLE IF NOT EXISTS otp_history_totals (
            day INTEGER NOT NULL, kind TEXT NOT NULL, dimension TEXT NOT NULL, value TEXT NOT NULL,
            total INTEGER NOT NULL, sent INTEGER NOT NULL, delivered INTEGER NOT NULL, approved INTEGER NOT NULL,
            failed INTEGER NOT NULL, messages INTEGER NOT NULL, attempts INTEGER NOT NULL,
            delivery_seconds DOUBLE PRECISION NOT NULL, approval_seconds DOUBLE PRECISION NOT NULL,
            PRIMARY KEY (day, kind, dimension, value))""",
        f"""CREATE TABLE IF NOT EXISTS otp_history_attempts (
            subject TEXT NOT NULL, prefix TEXT NOT NULL, day INTEGER NOT NULL, country TEXT NOT NULL,
            channels TEXT NOT NULL, outcome TEXT NOT NULL, verifications INTEGER NOT NULL,
            PRIMARY KEY (subject, prefix, day, country, channels, outcome)){clustered}""",
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
ADD_ATTEMPTS = _upsert(
    "otp_history_attempts", (*ALIKE, "verifications"), ", ".join(ALIKE),
    "verifications = otp_history_attempts.verifications + excluded.verifications",
)
MARK = _upsert("otp_history_marks", ("name", "at"), "name", "at = excluded.at")
