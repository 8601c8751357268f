"""The store in a SQLite file, for all processes of one machine."""
