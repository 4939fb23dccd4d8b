"""What tells how much comes in and how much there is, without reading the readings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from wattbook.core.periods import Period


@dataclass(frozen=True, slots=True)
class Storage:
    """The size of one store, and about how many rows its tables have."""

    store: str
    bytes: int
    rows: Mapping[str, int]


class Stats(Protocol):
    """Counts what a store of time series knows of itself."""

    async def received(self, period: Period) -> pl.DataFrame:
        """`day`, `batches`, the counts of their receipts and `last_utc`, by UTC day of arrival.

        Raises
        ------
        UnsupportedError
            The receipts are elsewhere.
        """
        ...

    async def events(self, period: Period) -> pl.DataFrame:
        """`day`, `kind`, `events`: what registers did other than count up, by UTC day."""
        ...


class Stored(Protocol):
    """Knows its size."""

    async def storage(self) -> Storage:
        """The size of the store, and its tables, by what the catalogue says."""
        ...
