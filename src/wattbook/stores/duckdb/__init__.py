"""Readings, rollups and grid conditions in one DuckDB file: one writer, snapshot reads beside it."""
