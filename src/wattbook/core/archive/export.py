"""What is believed of meters now, in the form in which other programs read it."""

from collections.abc import Iterator
from datetime import date
from typing import Final

import polars as pl

from wattbook.core import frames
from wattbook.core.archive import tables
from wattbook.core.archive.tables import READINGS, Portion
from wattbook.core.periods import Period

COLUMNS: Final = ("timestamp", *frames.READING_VALUES, "quality")
"""Of a file that holds one meter's readings of one UTC month."""


def portions(
    contents: pl.DataFrame, meter_ids: list[str], period: Period | None = None
) -> list[Portion]:
    """Readings of the meters in the period (all, if there is none) in portions that can be held.

    `contents` are `frames.CONTENTS` of readings.
    """
    mine = contents.filter(pl.col("owner").is_in(meter_ids))
    found = tables.portions(mine, READINGS)
    if period is None:
        return found
    clipped = [(each, _common(each.period, period)) for each in found]
    return [Portion(READINGS, each.owners, common, each.rows) for each, common in clipped if common]


def _common(one: Period, other: Period) -> Period | None:
    start, end = max(one.start, other.start), min(one.end, other.end)
    return Period(start, end) if start < end else None


def partitions(readings: pl.DataFrame) -> Iterator[tuple[str, date, pl.DataFrame]]:
    """Meter, first day of the UTC month, and the rows of both, sorted by `timestamp`."""
    rows = readings.with_columns(month=tables.month(pl.col("ts_utc"))).sort("meter_id", "ts_utc")
    for (meter_id, month), part in rows.group_by("meter_id", "month", maintain_order=True):
        assert isinstance(month, date)
        yield str(meter_id), month, part.rename({"ts_utc": "timestamp"}).select(COLUMNS)
