"""Intervals that are as long as the calendar says: civil days of 23 to 25 hours, and months."""

from typing import Final

import polars as pl

from wattbook.core.periods import DAY_US, instant
from wattbook.core.registry.entities import CivilInterval, MeterKind
from wattbook.core.units import US_PER_SECOND

DAY_S: Final = DAY_US // US_PER_SECOND
MARGIN_S: Final = 3_600
"""A civil day or month is at most so much longer than it usually is."""


def lengths(rows: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """Rows with `expected_interval_s` as long as the calendar says.

    That is where `expected_interval` is `day` or `month`, and where an interval of 86 400 s begins
    at midnight: it is the day of 23, 24 or 25 hours.

    Parameters
    ----------
    rows
        `slot`, `ts` [µs since 1970], `kind`, `expected_interval_s`, `expected_interval`.
    meters
        `frames.METERS`, by slot.
    """
    if not _long(meters):
        return rows
    interval = pl.col("kind") == str(MeterKind.INTERVAL)
    named = pl.col("expected_interval").is_not_null()
    asked = interval & (named | (pl.col("expected_interval_s") == DAY_S))
    if not rows.select(asked.any()).item():
        return rows
    parts = []
    marked = rows.with_row_index("_place").with_columns(
        _zone=pl.lit(meters["timezone"]).gather(pl.col("slot")), _asked=asked.fill_null(value=False)
    )
    for (zone, wanted), group in marked.group_by("_zone", "_asked"):
        parts.append(_civil(group, str(zone)) if wanted and zone is not None else group)
    return pl.concat(parts).sort("_place").select(rows.columns)


def begun(rows: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """Rows whose `ts` is the end of their interval, with `ts` at its beginning.

    Parameters
    ----------
    rows
        As for `civil`; an interval of 86 400 s that ends at midnight is the day before.
    meters
        `frames.METERS`, by slot.
    """
    length = pl.col("expected_interval_s") * US_PER_SECOND
    by_seconds = rows.with_columns(ts=pl.col("ts") - length)
    if not _long(meters):
        return by_seconds
    long = (pl.col("expected_interval_s") >= DAY_S) & (pl.col("kind") == str(MeterKind.INTERVAL))
    parts = []
    marked = rows.with_row_index("_place").with_columns(
        _zone=pl.lit(meters["timezone"]).gather(pl.col("slot")), _asked=long.fill_null(value=False)
    )
    for (zone, wanted), group in marked.group_by("_zone", "_asked"):
        if not (wanted and zone is not None):
            parts.append(group.with_columns(ts=pl.col("ts") - length))
            continue
        local = _local(pl.col("ts"), str(zone))
        civil_one = pl.col("expected_interval").is_not_null() | (
            (pl.col("expected_interval_s") == DAY_S) & (local == local.dt.truncate("1d"))
        )
        begin = _utc(_shifted(local, -1), str(zone)).to_physical()
        parts.append(
            group.with_columns(ts=pl.when(civil_one).then(begin).otherwise(pl.col("ts") - length))
        )
    return pl.concat(parts).sort("_place").select(rows.columns)


def _civil(rows: pl.DataFrame, zone: str) -> pl.DataFrame:
    local = _local(pl.col("ts"), zone)
    length = (_utc(_shifted(local, 1), zone).to_physical() - pl.col("ts")) // US_PER_SECOND
    midnight = local == local.dt.truncate("1d")
    counts = pl.col("expected_interval").is_not_null() | midnight
    return rows.with_columns(
        expected_interval_s=pl.when(counts).then(length).otherwise("expected_interval_s")
    )


def _long(meters: pl.DataFrame) -> bool:
    """Whether a meter may have intervals of a day or more."""
    return (
        meters["versions"].null_count() < meters.height
        or meters["expected_interval"].null_count() < meters.height
        or bool((meters["expected_interval_s"] == DAY_S).any())
    )


def _local(at: pl.Expr, zone: str) -> pl.Expr:
    return instant(at).dt.convert_time_zone(zone).dt.replace_time_zone(None)


def _shifted(local: pl.Expr, count: int) -> pl.Expr:
    """Local times so many civil days, or months, later."""
    month = pl.col("expected_interval") == str(CivilInterval.MONTH)
    by_month, by_day = local.dt.offset_by(f"{count}mo"), local.dt.offset_by(f"{count}d")
    return pl.when(month).then(by_month).otherwise(by_day)


def _utc(local: pl.Expr, zone: str) -> pl.Expr:
    """The instant of a local time; the first that exists where it does not."""
    exact = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    later = local.dt.offset_by("1h").dt.replace_time_zone(
        zone, ambiguous="earliest", non_existent="null"
    )
    return pl.coalesce(exact, later).dt.convert_time_zone("UTC")
