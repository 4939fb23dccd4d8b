"""What keeps the conditions of grid zones."""

from datetime import datetime
from typing import Protocol

import polars as pl

from wattbook.core.periods import Period
from wattbook.ports.readings import Batch, WriteResult


class GridStore(Protocol):
    """Keeps zone conditions; a row is identified by its zone and start."""

    async def write(self, batch: Batch) -> WriteResult:
        """Keep a batch of `frames.GRID`, on disk before this returns."""
        ...

    async def read(
        self, zones: list[str], period: Period, *, as_of: datetime | None = None
    ) -> pl.DataFrame:
        """`frames.GRID` of the zones that hold in some of the period, sorted by key."""
        ...
