"""Readings in a bucket of InfluxDB 2, beside rollups that are kept elsewhere."""
