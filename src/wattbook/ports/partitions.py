"""What holds an export: readings of one meter in one month beside those of others."""

from datetime import date
from typing import Protocol

import polars as pl


class Partitions(Protocol):
    """Holds partitions; one is identified by its meter and its UTC month."""

    async def put(self, meter_id: str, month: date, rows: pl.DataFrame) -> int:
        """Make `rows` (the columns of `core.export`) the partition, all or nothing; its bytes."""
        ...
