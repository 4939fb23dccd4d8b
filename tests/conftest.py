"""What every test shares: how hypothesis searches, and the real servers that there are."""

import os

from hypothesis import settings

pytest_plugins = [
    "tests.services.exercised",
    "tests.services.postgres",
    "tests.services.influxdb",
    "tests.services.flux",
    "tests.services.redis",
]

# A slow machine is no failure; in CI the same commit always sees the same examples.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("fast", deadline=None, max_examples=8)
settings.load_profile("ci" if os.environ.get("CI") else "local")
