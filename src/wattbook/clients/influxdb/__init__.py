"""InfluxDB 2 over HTTP: line protocol one way, Flux and CSV the other."""
