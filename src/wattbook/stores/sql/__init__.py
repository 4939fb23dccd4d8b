"""The registry, in SQLite or PostgreSQL."""
