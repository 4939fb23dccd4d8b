"""How a worker's processes hear that it shuts down."""

import mmap
from typing import Final

_SHARED: Final = mmap.mmap(-1, 1)
"""A byte that the parent and its forks share. No lock: one who is killed could hold it for ever."""


def begin() -> None:
    """Say that what is at work is to stop at its next step; the parent does."""
    _SHARED[0] = 1


def begun() -> bool:
    """Whether the parent has said so."""
    return _SHARED[0] == 1
