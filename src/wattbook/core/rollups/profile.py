"""How power runs: over time, over the hours of days, and how long it is how high."""

from datetime import timedelta
from typing import Final

import polars as pl

from wattbook.core import frames, periods
from wattbook.core.periods import Grain, Period
from wattbook.core.ratios import ratio

FINE_DAYS: Final = 3
"""Up to so many days a load is drawn by quarter-hours."""
LISTED_HOURLY_DAYS: Final = 3 / 2
"""Up to so many days figures are listed by hour."""
HOURLY_DAYS: Final = 45
"""Up to so many days by hours; beyond, each day as its mean between its lowest and highest hour."""
DAILY_COLUMNS: Final = 400
"""Up to so many days each is a column of the heat map; beyond, each week is one."""
LOW_QUANTILE: Final = 1 / 10
STEPS: Final = 200
"""A duration curve has so many steps of equal time."""


def grain(period: Period) -> Grain:
    """The bucket by which a load over the period is drawn."""
    days = (period.end - period.start) / timedelta(days=1)
    if days <= FINE_DAYS:
        return Grain.QUARTER
    return Grain.HOUR if days <= HOURLY_DAYS else Grain.DAY


def load(rows: pl.DataFrame, days: pl.DataFrame | None = None) -> pl.DataFrame:
    """The load as it is drawn: null where nothing is known, so that a line breaks there.

    Parameters
    ----------
    rows
        `start_utc`, `end_utc`, `power_kw_mean` [kW], `coverage`, `quality` of every bucket of the
        period.
    days
        `start_utc` and `end_utc` of every civil day, where each is to be one point.

    Returns
    -------
    polars.DataFrame
        `start_utc`, `end_utc`, `power_kw` (mean), `low_kw` and `high_kw` (of the buckets within the
        day; null without `days`), `coverage`, `estimated` (whether most of it is not measured).
    """
    estimated = (pl.col("quality") != frames.QUALITIES[0]).fill_null(value=False)
    if days is None:
        return rows.select(
            "start_utc",
            "end_utc",
            power_kw="power_kw_mean",
            low_kw=pl.lit(None, pl.Float64),
            high_kw=pl.lit(None, pl.Float64),
            coverage="coverage",
            estimated=estimated,
        )
    seconds = (pl.col("end_utc") - pl.col("start_utc")).dt.total_seconds()
    known_s = seconds * pl.col("coverage")
    power = pl.col("power_kw_mean")
    sums = (
        rows.sort("start_utc")
        .join_asof(days.select(day="start_utc"), left_on="start_utc", right_on="day")
        .group_by("day", maintain_order=True)
        .agg(
            power_kw=ratio(power * known_s, known_s),
            low_kw=power.min(),
            high_kw=power.max(),
            coverage=known_s.sum() / seconds.sum(),
            estimated=estimated.mean() > 1 / 2,
        )
    )
    return days.join(
        sums, left_on="start_utc", right_on="day", how="left", maintain_order="left"
    ).with_columns(pl.col("coverage").fill_null(0.0), pl.col("estimated").fill_null(value=False))


def heat(rows: pl.DataFrame, timezone: str) -> pl.DataFrame:
    """Mean power by local day and hour.

    Parameters
    ----------
    rows
        `start_utc`, `power_kw_mean` [kW] of every hour, or quarter-hour, of the period.

    Returns
    -------
    polars.DataFrame
        `day`, `hour` [0-23], `turn` (0, or 1 for the second time that the hour strikes on a day on
        which clocks go back), `turns` (how often it strikes), `power_kw` (null in a gap), sorted.
        An hour that clocks skip has no row. Beyond `DAILY_COLUMNS` days, `day` is the Monday of a
        week and `power_kw` the mean of its days.
    """
    local = pl.col("start_utc").dt.convert_time_zone(timezone)
    offset = local.dt.base_utc_offset() + local.dt.dst_offset()
    cells = (
        rows.sort("start_utc")
        .with_columns(day=local.dt.date(), hour=local.dt.hour(), offset=offset)
        .group_by("day", "hour", "offset", maintain_order=True)
        .agg(power_kw=pl.col("power_kw_mean").mean())
        .with_columns(
            turn=pl.int_range(pl.len(), dtype=pl.Int64).over("day", "hour"),
            turns=pl.len().over("day", "hour").cast(pl.Int64),
        )
    )
    if cells["day"].n_unique() > DAILY_COLUMNS:
        cells = (
            cells.group_by(pl.col("day").dt.truncate("1w"), "hour")
            .agg(pl.col("power_kw").mean())
            .with_columns(turn=pl.lit(0, pl.Int64), turns=pl.lit(1, pl.Int64))
        )
    return cells.select("day", pl.col("hour").cast(pl.Int64), "turn", "turns", "power_kw").sort(
        "day", "hour", "turn"
    )


def mean_day(cells: pl.DataFrame) -> pl.DataFrame:
    """Power of a mean day: for each local hour the mean and the middle 80 % of all days.

    Parameters
    ----------
    cells
        From `heat`, day by day.

    Returns
    -------
    polars.DataFrame
        `hour` (0 to 23), `power_kw`, `low_kw` (10th percentile), `high_kw` (90th); null where
        nothing is known of an hour.
    """
    power = pl.col("power_kw")
    known = cells.group_by("hour").agg(
        power_kw=power.mean(),
        low_kw=power.quantile(LOW_QUANTILE, "linear"),
        high_kw=power.quantile(1 - LOW_QUANTILE, "linear"),
    )
    hours = pl.DataFrame({"hour": range(24)}, schema={"hour": pl.Int64})
    return hours.join(known, on="hour", how="left", maintain_order="left")


def duration(rows: pl.DataFrame) -> pl.DataFrame:
    """For which share of the known time the power is at least how high.

    Parameters
    ----------
    rows
        `power_kw` [kW] of buckets of equal length; null where nothing is known.

    Returns
    -------
    polars.DataFrame
        `share` [0-1] and `power_kw`, highest first; no rows where nothing is known.
    """
    ordered = rows["power_kw"].drop_nulls().sort(descending=True)
    if ordered.is_empty():
        return pl.DataFrame(schema={"share": pl.Float64, "power_kw": pl.Float64})
    steps = pl.DataFrame({"step": range(STEPS + 1)})
    last = len(ordered) - 1
    return steps.select(
        share=pl.col("step") / STEPS,
        power_kw=pl.lit(ordered).gather(pl.col("step") * last // STEPS),
    )


def steps(period: Period, timezone: str) -> tuple[Grain, pl.DataFrame]:
    """The buckets by which figures of the period are listed: hours, days or months.

    The first and the last are cut off where the period begins and ends.
    """
    days = (period.end - period.start) / timedelta(days=1)
    every = Grain.MONTH
    if days <= HOURLY_DAYS:
        every = Grain.DAY if days > LISTED_HOURLY_DAYS else Grain.HOUR
    return every, clipped(periods.buckets(period, every, timezone), period)


def days(period: Period, timezone: str) -> pl.DataFrame:
    """`start_utc` and `end_utc` of every civil day, cut off where the period begins and ends."""
    return clipped(periods.buckets(period, Grain.DAY, timezone), period)


def stepped(rows: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Rows with the start of the step that they lie in, `step_utc`."""
    return rows.sort("start_utc").join_asof(
        steps.select("start_utc", step_utc="start_utc"), on="start_utc"
    )


def clipped(buckets: pl.DataFrame, period: Period) -> pl.DataFrame:
    """Buckets, the first and the last cut off where the period begins and ends."""
    return buckets.select(
        start_utc=pl.max_horizontal("start_utc", pl.lit(period.start, frames.UTC)),
        end_utc=pl.min_horizontal("end_utc", pl.lit(period.end, frames.UTC)),
    )
