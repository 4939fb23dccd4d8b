"""Readings, rollups and grid conditions in PostgreSQL, with or without TimescaleDB."""
