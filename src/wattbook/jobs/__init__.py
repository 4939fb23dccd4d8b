"""Background jobs: for each kind its parameters, its handler, and when it runs."""
