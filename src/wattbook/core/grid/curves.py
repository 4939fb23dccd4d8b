"""Curves of zone conditions that leave out what repeats: what each row stands for."""

from datetime import datetime
from enum import StrEnum
from typing import Final

import polars as pl

from wattbook.core import frames

MAX_HELD_S: Final = 86_400
"""For so long a row may be repeated by what follows; beyond it, rows are missing."""


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
        every column is a curve of its own. Rows without a start stay as they are. Where
        the next row is more than a day, and more than the own interval, later, a row has the reason
        `bad_interval`: rows are missing behind it.
    """
    known = rows.filter(pl.col("canonical").is_not_null(), pl.col("start_utc").is_not_null())
    rest = rows.join(known.select("row"), on="row", how="anti", maintain_order="left")
    starts = known.select("canonical", "start_utc").unique().sort("canonical", "start_utc")
    after = pl.col("start_utc").shift(-1).over("canonical")
    ends = starts.with_columns(
        until=after.fill_null(pl.lit(period_end, frames.UTC)), followed=after.is_not_null()
    )
    length = (pl.col("until") - pl.col("start_utc")).dt.total_seconds()
    filled = (
        known.sort("canonical", "start_utc", "row")
        .with_columns(pl.col(*frames.GRID_VALUES, "currency").forward_fill().over("canonical"))
        .join(ends, on=["canonical", "start_utc"], how="left", maintain_order="left")
        .with_columns(held=pl.when(length > 0).then(length).otherwise("interval_s"))
    )
    held = pl.col("held")
    long = pl.col("reason").is_null() & (held > pl.max_horizontal("interval_s", MAX_HELD_S))
    long &= pl.col("followed")
    detail = pl.format(
        "start: the next row of the zone is {} s later: a curve A03 holds a row for at most a day"
        ", or for its own interval_s",
        held,
    )
    filled = filled.with_columns(
        interval_s="held",
        reason=pl.when(long).then(pl.lit("bad_interval")).otherwise("reason"),
        detail=pl.when(long).then(detail).otherwise("detail"),
    ).select(rows.columns)
    return pl.concat([filled, rest.select(rows.columns)]).sort("row")
