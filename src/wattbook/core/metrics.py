"""Figures of several meters together, and over a whole period."""

from typing import Final

import polars as pl

from wattbook.core import frames, hashing
from wattbook.core.frames import known_sum
from wattbook.core.periods import Period
from wattbook.core.ratios import ratio
from wattbook.core.units import QUARTERS_PER_HOUR, SECONDS_PER_HOUR


def total(rollups: pl.DataFrame, buckets: pl.DataFrame, meter_count: int) -> pl.DataFrame:
    """One row per bucket with the sum of several meters: gaps are nulls with coverage 0.

    Parameters
    ----------
    rollups
        Rows of one grain, of the meters that are to be added.
    buckets
        `start_utc` and `end_utc` of every bucket wanted.
    meter_count
        How many meters are expected to report: a silent one lowers `coverage`.

    Returns
    -------
    polars.DataFrame
        `start_utc`, the figures, `coverage` [0-1], `meters` (how many had energy). Of several
        meters, `power_kw_max` is that of the one meter, or null: the peak of a sum is not the sum
        of the peaks, see `coincident_peak`.
    """
    weight = pl.col("covered_s")
    single = meter_count == 1
    sums = (
        rollups.with_columns(rank=frames.rank())
        .group_by("start_utc")
        .agg(
            energy_kwh=known_sum("energy_kwh"),
            power_kw_mean=known_sum("power_kw_mean"),
            power_kw_min=known_sum("power_kw_min"),
            power_kw_max=pl.col("power_kw_max").first() if single else None,
            power_kw_max_at=pl.col("power_kw_max_at").first() if single else None,
            hashrate_th_mean=known_sum("hashrate_th_mean"),
            **hashing.sums(),
            efficiency_j_per_th=hashing.efficiency(),
            efficiency_time_share=hashing.efficiency_time_share(),
            temperature_c_mean=ratio(
                pl.col("temperature_c_mean") * hashing.known_s("temperature_c"),
                hashing.known_s("temperature_c"),
            ),
            readings=pl.col("readings").sum(),
            covered_s=weight.sum(),
            rank=pl.col("rank").max(),
            meters=pl.col("energy_kwh").is_not_null().sum(),
            revision=pl.col("revision").max(),
            computed_utc=pl.col("computed_utc").max(),
        )
    )
    seconds = (pl.col("end_utc") - pl.col("start_utc")).dt.total_seconds()
    rows = buckets.join(sums, on="start_utc", how="left", maintain_order="left")
    return rows.select(
        "start_utc",
        "end_utc",
        "energy_kwh",
        "power_kw_mean",
        "power_kw_min",
        "power_kw_max",
        "power_kw_max_at",
        "hashrate_th_mean",
        "hashrate_kwh",
        "hashrate_s",
        "hashes_th",
        "efficiency_j_per_th",
        "efficiency_time_share",
        "temperature_c_mean",
        readings=pl.col("readings").fill_null(0),
        covered_s=weight.fill_null(0.0),
        coverage=weight.fill_null(0.0) / (seconds * meter_count),
        quality=frames.quality_of(pl.col("rank")),
        meters=pl.col("meters").fill_null(0).cast(pl.Int64),
        revision="revision",
        computed_utc="computed_utc",
    )


def demand(quarter_rows: pl.DataFrame) -> pl.DataFrame:
    """Demand of several meters in each quarter-hour: `start_utc`, `power_kw` [kW], sorted.

    The energy of the quarter over a quarter of an hour, as markets settle it. Energies add without
    error, so the figure is the same whoever adds them; time that is not covered adds nothing.
    """
    known = quarter_rows.drop_nulls("energy_kwh").sort("start_utc", "meter_id")
    return known.group_by("start_utc", maintain_order=True).agg(
        power_kw=pl.col("energy_kwh").sum() * QUARTERS_PER_HOUR
    )


def coincident_peak(quarter_demand: pl.DataFrame, buckets: pl.DataFrame) -> pl.DataFrame:
    """Highest quarter-hour demand in each bucket: `power_kw_max` [kW], `power_kw_max_at`.

    Parameters
    ----------
    quarter_power
        From `demand`.
    buckets
        `start_utc` and `end_utc`.
    """
    owner = quarter_demand.sort("start_utc").join_asof(
        buckets.select(bucket="start_utc", end_utc="end_utc").sort("bucket"),
        left_on="start_utc",
        right_on="bucket",
    )
    return (
        owner.filter(pl.col("start_utc") < pl.col("end_utc"))
        .group_by("bucket", maintain_order=True)
        .agg(
            power_kw_max=pl.col("power_kw").max(),
            power_kw_max_at=pl.col("start_utc").get(pl.col("power_kw").arg_max()),
        )
        .rename({"bucket": "start_utc"})
    )


def whole(
    rows: pl.DataFrame, rollups: pl.DataFrame, period: Period, meter_count: int
) -> dict[str, object]:
    """One row over the whole period.

    Parameters
    ----------
    rows
        From `total`, with the peaks.
    rollups
        The rows of single meters that they are the sum of. Means are formed for each meter over
        its own covered time and then added, so that they do not depend on the grain.
    """
    weight = pl.col("covered_s")
    by_meter = rollups.group_by("meter_id", maintain_order=True).agg(
        power_kw=ratio(pl.col("energy_kwh") * SECONDS_PER_HOUR, weight),
        rate_th=ratio(hashing.hashes_th(), hashing.known_s("hashrate_th")),
    )
    means = pl.concat(
        [
            by_meter.select(
                power_kw_mean=known_sum("power_kw"), hashrate_th_mean=known_sum("rate_th")
            ),
            rollups.select(
                efficiency_j_per_th=hashing.efficiency(),
                efficiency_time_share=hashing.efficiency_time_share(),
            ),
        ],
        how="horizontal",
    )
    summed = rows.select(
        energy_kwh=known_sum("energy_kwh"),
        power_kw_min=pl.col("power_kw_min").min(),
        power_kw_max=pl.col("power_kw_max").max(),
        power_kw_max_at=pl.col("power_kw_max_at").get(pl.col("power_kw_max").arg_max()),
        readings=pl.col("readings").sum(),
        coverage=weight.sum() / ((period.end - period.start).total_seconds() * meter_count),
        quality=frames.quality_of(frames.rank().max()),
    )
    both = pl.concat([summed, means], how="horizontal")
    return both.select(TOTALS).row(0, named=True)


TOTALS: Final = (
    "energy_kwh",
    "power_kw_mean",
    "power_kw_min",
    "power_kw_max",
    "power_kw_max_at",
    "hashrate_th_mean",
    "efficiency_j_per_th",
    "efficiency_time_share",
    "readings",
    "coverage",
    "quality",
)
