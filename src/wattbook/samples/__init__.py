"""Sites to try wattbook on: four simulated mines and one real plant, with real Texan prices."""

from wattbook.samples.load import prices, telemetry
from wattbook.samples.sites import sites

__all__ = ["prices", "sites", "telemetry"]
