"""Background jobs: for each kind its parameters, its handler and its schedule, in one file."""
