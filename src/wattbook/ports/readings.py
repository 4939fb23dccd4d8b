"""What keeps readings, with the receipts and rejects of how they came."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Protocol

import polars as pl

from wattbook.core import frames
from wattbook.core.periods import Period
from wattbook.core.readings import merge
from wattbook.core.readings.rejects import Rejects
from wattbook.core.readings.repeats import MERGED


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a store can do beyond keeping rows; what it cannot is refused with UnsupportedError."""

    as_of: bool = True
    """Answers with what was known at a past instant."""
    atomic: bool = True
    """Keeps a batch whole or not at all."""
    revisions: bool = True
    """Keeps readings that were superseded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A judged batch on its way to the store."""

    batch_id: str
    source: str
    sha256: str
    received_utc: datetime
    received: int
    kept: pl.DataFrame
    """`row` and the columns of `frames.READINGS` (or `frames.GRID`); keys occur once.

    Perhaps also `merge.EXPLICIT`: which of the values were sent as null."""
    rejects: Rejects
    refused: pl.DataFrame = field(default_factory=frames.REFUSED.empty)
    """`frames.REFUSED`: the instants of those rejects of which meter and instant are known."""
    merged: pl.DataFrame = field(default_factory=partial(pl.DataFrame, schema=MERGED))
    """`core.readings.repeats.MERGED`: rows whose values are in another row that is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of a batch: accepted + duplicates + corrected + rejected = received."""

    batch_id: str
    source: str
    sha256: str
    received_utc: datetime
    received: int
    accepted: int
    duplicates: int
    corrected: int
    rejected: int
    rejects: Rejects
    warnings: tuple[str, ...] = ()
    """What looks wrong about rows that were kept; told when they come in, and not stored."""


@dataclass(frozen=True, slots=True)
class WriteResult:
    """A receipt, and for each row that was kept (by its number in the batch) what became of it."""

    receipt: Receipt
    rows: pl.Series
    outcomes: pl.Series
    """`merge.ACCEPTED`, `merge.DUPLICATE` or `merge.CORRECTED`."""

    @classmethod
    def of(cls, batch: Batch, outcomes: pl.Series) -> "WriteResult":
        """What became of the rows of a batch that were not rejected, counted.

        What went into another row became of what that row became of.
        """
        rows = batch.kept["row"]
        if batch.merged.height:
            became = pl.DataFrame({"into": rows, "outcome": outcomes})
            others = batch.merged.join(became, on="into", how="left", maintain_order="left")
            rows = pl.concat([rows, others["row"].cast(rows.dtype)])
            outcomes = pl.concat([outcomes, others["outcome"]])
        receipt = Receipt(
            batch_id=batch.batch_id,
            source=batch.source,
            sha256=batch.sha256,
            received_utc=batch.received_utc,
            received=batch.received,
            accepted=int((outcomes == merge.ACCEPTED).sum()),
            duplicates=int((outcomes == merge.DUPLICATE).sum()),
            corrected=int((outcomes == merge.CORRECTED).sum()),
            rejected=batch.rejects.height,
            rejects=batch.rejects,
        )
        return cls(receipt, rows, outcomes)


class ReadingStore(Protocol):
    """Keeps readings; a reading is identified by its meter and its instant."""

    abilities: Abilities

    async def write(self, batch: Batch) -> WriteResult:
        """Keep a batch, on disk before this returns; marks what it changed as dirty."""
        ...

    async def read(
        self, meter_ids: list[str], period: Period | None = None, *, as_of: datetime | None = None
    ) -> pl.DataFrame:
        """`frames.READINGS` of the meters with stamps in the period, sorted by key."""
        ...

    async def around(self, spans: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Readings that decide the quarters of `spans` (`meter_id`, `from_utc`, `to_utc`, `kind`).

        For registers each span is first widened to the readings beside it. Returns the spans as
        widened and the readings in and next to them, in any order.
        """
        ...

    async def refused(
        self, meter_ids: list[str], period: Period, *, as_of: datetime | None = None
    ) -> pl.DataFrame:
        """`frames.REFUSED` of the meters in the period, sorted by key."""
        ...

    async def receipt(self, batch_id: str) -> Receipt:
        """The receipt of a batch, with its rejects."""
        ...

    async def extent(self, meter_ids: list[str]) -> pl.DataFrame:
        """`meter_id`, `from_utc`, `to_utc`: first and last stamp of those that have readings."""
        ...

    async def revisions(self, meter_id: str, period: Period) -> pl.DataFrame:
        """Readings that were superseded, with `superseded_utc`, sorted by key and revision."""
        ...
