"""What remembers how far sources have been read."""

from datetime import datetime
from typing import Protocol


class Watermarks(Protocol):
    """Knows for each source the instant before which all was taken in."""

    async def reached(self, source: str) -> datetime | None:
        """How far the source was read; null where it never was."""
        ...

    async def reach(self, source: str, at_utc: datetime, now: datetime) -> None:
        """Note that it was read so far, on disk before this returns; never goes back."""
        ...
