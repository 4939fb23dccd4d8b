"""What is believed of meters now, in the form in which other programs read it."""

from collections.abc import Iterator
from datetime import date
from typing import Final

import polars as pl

from wattbook.core import archive, frames
from wattbook.core.archive import READINGS, Portion
from wattbook.core.periods import Period
from wattbook.core.units import SECONDS_PER_HOUR

COLUMNS: Final = ("timestamp", *frames.READING_VALUES, "quality")
"""Of a file that holds one meter's readings of one UTC month."""

MONTH_S: Final = 31 * 24 * SECONDS_PER_HOUR


def portions(
    contents: pl.DataFrame, meter_ids: list[str], period: Period | None = None
) -> list[Portion]:
    """Readings of the meters in the period (all, if there is none) in portions that can be held.

    `contents` are `frames.CONTENTS` of readings.
    """
    mine = contents.filter(pl.col("owner").is_in(meter_ids))
    found = archive.portions(mine, READINGS)
    if period is None:
        return found
    clipped = [(each, _common(each.period, period)) for each in found]
    return [Portion(READINGS, each.owners, common, each.rows) for each, common in clipped if common]


def likely(extent: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """`frames.CONTENTS` of readings as meters with such an extent probably have them.

    Parameters
    ----------
    extent
        `meter_id`, `from_utc`, `to_utc`.
    meters
        `meter_id`, `expected_interval_s`.
    """
    first, last = (archive.month(pl.col(name)) for name in ("from_utc", "to_utc"))
    return (
        extent.join(meters, on="meter_id")
        .with_columns(month=pl.date_ranges(first, last, "1mo"))
        .explode("month")
        .select(
            pl.lit(READINGS.name).alias("table"),
            pl.col("meter_id").alias("owner"),
            "month",
            rows=MONTH_S // pl.col("expected_interval_s") + 1,
        )
        .sort(frames.CONTENTS.key)
    )


def _common(one: Period, other: Period) -> Period | None:
    start, end = max(one.start, other.start), min(one.end, other.end)
    return Period(start, end) if start < end else None


def partitions(readings: pl.DataFrame) -> Iterator[tuple[str, date, pl.DataFrame]]:
    """Meter, first day of the UTC month, and the rows of both, sorted by `timestamp`."""
    rows = readings.with_columns(month=archive.month(pl.col("ts_utc"))).sort("meter_id", "ts_utc")
    for (meter_id, month), part in rows.group_by("meter_id", "month", maintain_order=True):
        assert isinstance(month, date)
        yield str(meter_id), month, part.rename({"ts_utc": "timestamp"}).select(COLUMNS)
