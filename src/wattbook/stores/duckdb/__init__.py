"""Readings, rollups and grid conditions in one DuckDB file: one writer, snapshots to read."""
