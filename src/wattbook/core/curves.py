"""Curves of zone conditions that leave out what repeats: what each row stands for."""

from datetime import datetime
from enum import StrEnum

import polars as pl

from wattbook.core import frames


class CurveType(StrEnum):
    """How the rows of a zone follow each other, as ENTSO-E names it."""

    A01 = "A01"
    """Every interval has a row; one without is missing."""
    A03 = "A03"
    """A row holds until the next one of its zone: rows that repeat the one before are left out."""


def held(rows: pl.DataFrame, period_end: datetime | None = None) -> pl.DataFrame:
    """Rows of a curve `A03` with the time that each holds as its `interval_s`.

    Parameters
    ----------
    rows
        `frames.RAW_GRID` with `start_utc` and `canonical`, of whole curves in any order.
    period_end
        Until when the last row of each zone holds; without it, for its own `interval_s`.

    Returns
    -------
    polars.DataFrame
        The rows in their order. A value that a row leaves out is that of the row before, because
        every column is a curve of its own. Rows without a start stay as they are.
    """
    known = rows.filter(pl.col("canonical").is_not_null(), pl.col("start_utc").is_not_null())
    rest = rows.join(known.select("row"), on="row", how="anti", maintain_order="left")
    starts = known.select("canonical", "start_utc").unique().sort("canonical", "start_utc")
    after = pl.col("start_utc").shift(-1).over("canonical")
    ends = starts.with_columns(until=after.fill_null(pl.lit(period_end, frames.UTC)))
    length = (pl.col("until") - pl.col("start_utc")).dt.total_seconds()
    filled = (
        known.sort("canonical", "start_utc", "row")
        .with_columns(pl.col(*frames.GRID_VALUES, "currency").forward_fill().over("canonical"))
        .join(ends, on=["canonical", "start_utc"], how="left", maintain_order="left")
        .with_columns(interval_s=pl.when(length > 0).then(length).otherwise("interval_s"))
        .select(rows.columns)
    )
    return pl.concat([filled, rest.select(rows.columns)]).sort("row")
