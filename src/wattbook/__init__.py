"""wattbook: energy telemetry, analytics and green-energy compliance for large flexible loads."""

__version__ = "0.1.0"
