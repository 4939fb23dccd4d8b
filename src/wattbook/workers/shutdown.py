"""How a worker's processes hear that it shuts down."""

import multiprocessing
from typing import Final

SHUTTING_DOWN: Final = multiprocessing.get_context("fork").Event()
"""Set by the parent; what is at work in its children stops at its next step and is given back."""
