"""The documents of the HTTP API, built from what flows return, for every entry point."""
