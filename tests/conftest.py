"""What every test shares: how hypothesis searches."""

import os

from hypothesis import settings

# A slow machine is no failure; in CI the same commit always sees the same examples.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")
