"""Readings in somebody else's bucket of InfluxDB 2, under their names."""
