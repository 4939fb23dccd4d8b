"""Figures of several meters together, and over a whole period."""

from typing import Final

import polars as pl

from wattbook.core import frames
from wattbook.core.frames import known_sum
from wattbook.core.meters import presence
from wattbook.core.periods import Period, microseconds
from wattbook.core.ratios import ratio
from wattbook.core.rollups import hashing, reactive
from wattbook.core.units import QUARTERS_PER_HOUR, SECONDS_PER_HOUR, US_PER_SECOND, over


def total(rollups: pl.DataFrame, buckets: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """One row per bucket with the sum of several meters: gaps are nulls with coverage 0.

    Parameters
    ----------
    rollups
        Rows of one grain, of the meters that are to be added.
    buckets
        `start_utc` and `end_utc` of every bucket wanted.
    spans
        `presence.SPANS` of the meters that are expected to report: a silent one lowers `coverage`
        for as long as it is there.

    Returns
    -------
    polars.DataFrame
        `start_utc`, the figures, `coverage` [0-1], `meters` (how many had energy). Of several
        meters, `power_kw_max` is that of the one meter, or null: the peak of a sum is not the sum
        of the peaks, see `coincident_peak`. A mean power is the sum of the meters' means, each
        weighed by the share of the time for which it is there: one meter that takes the place of
        another is one flow. `power_kw_min` is unknown where meters that are added come or go.
    """
    weight = pl.col("covered_s")
    single = spans["meter_id"].n_unique() == 1
    sums = (
        weighed(rollups, buckets, spans)
        .with_columns(rank=frames.rank())
        .group_by("start_utc")
        .agg(
            energy_kwh=known_sum("energy_kwh"),
            power_kw_mean=known_sum("power_kw_mean"),
            power_kw_min=_least(),
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
            **reactive.total_sums(),
            readings=pl.col("readings").sum(),
            covered_s=weight.sum(),
            rank=pl.col("rank").max(),
            meters=pl.col("energy_kwh").is_not_null().sum(),
            revision=pl.col("revision").max(),
            computed_utc=pl.col("computed_utc").max(),
        )
    )
    rows = buckets.join(sums, on="start_utc", how="left", maintain_order="left")
    return rows.with_columns(expected_s=presence.seconds(spans, buckets)).select(
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
        *reactive.COLUMNS,
        "power_factor",
        readings=pl.col("readings").fill_null(0),
        covered_s=weight.fill_null(0.0),
        coverage=covered(weight, pl.col("expected_s")),
        quality=frames.quality_of(pl.col("rank")),
        meters=pl.col("meters").fill_null(0).cast(pl.Int64),
        revision="revision",
        computed_utc="computed_utc",
    )


def covered(covered_s: pl.Expr, expected_s: pl.Expr) -> pl.Expr:
    """The share of the time for which meters are there that is covered; 0 where none is there."""
    share = pl.min_horizontal(covered_s.fill_null(0.0) / expected_s, pl.lit(1.0))
    return pl.when(expected_s > 0).then(share).otherwise(0.0)


def weighed(rollups: pl.DataFrame, buckets: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Rollups whose means count for the share of each bucket for which their meter is there.

    That is the share of the time at which at least one of the meters is there. `alone` says
    whether no two of them are there at once, `steady` whether all are there all the time.
    """
    begin, end = microseconds("start_utc"), microseconds("end_utc")
    some = presence.seconds(presence.together(spans), buckets)
    about = buckets.select(
        "start_utc",
        "end_utc",
        some_s=some,
        all_s=presence.seconds(spans, buckets),
        full_s=(end - begin) / US_PER_SECOND * spans["meter_id"].n_unique(),
    ).with_columns(
        alone=pl.col("all_s") <= pl.col("some_s"), steady=pl.col("all_s") >= pl.col("full_s")
    )
    joined = rollups.join(about, on="start_utc", how="left", maintain_order="left")
    if joined["steady"].all():
        return joined
    own_s = (
        joined.select("meter_id", "start_utc", "end_utc")
        .join(spans, on="meter_id")
        .group_by("meter_id", "start_utc")
        .agg(
            own_s=(pl.min_horizontal(end, "to_us") - pl.max_horizontal(begin, "from_us"))
            .clip(0)
            .sum()
            / US_PER_SECOND
        )
    )
    share = pl.when("steady").then(1.0).otherwise(over(pl.col("own_s"), pl.col("some_s")))
    return joined.join(
        own_s, on=["meter_id", "start_utc"], how="left", maintain_order="left"
    ).with_columns(pl.col(name) * share for name in MEANS if name in joined.columns)


MEANS: Final = ("power_kw_mean", "hashrate_th_mean")


def _least() -> pl.Expr:
    """The least power of a bucket: meters that are never there at once do not add up."""
    least = pl.col("power_kw_min")
    return (
        pl.when(pl.col("steady").all())
        .then(known_sum("power_kw_min"))
        .when(pl.col("alone").all())
        .then(least.min())
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
    rows: pl.DataFrame, rollups: pl.DataFrame, period: Period, spans: pl.DataFrame
) -> dict[str, object]:
    """One row over the whole period.

    Parameters
    ----------
    rows
        From `total`, with the peaks.
    rollups
        The rows of single meters that they are the sum of. Means are formed for each meter over
        its own covered time and then added, each for the share of the time for which it is there,
        so that they do not depend on the grain.
    spans
        `presence.SPANS` of the meters.
    """
    weight = pl.col("covered_s")
    bucket = presence.bucket(period)
    by_meter = rollups.group_by("meter_id", maintain_order=True).agg(
        power_kw=ratio(pl.col("energy_kwh") * SECONDS_PER_HOUR, weight),
        rate_th=ratio(hashing.hashes_th(), hashing.known_s("hashrate_th")),
    )
    by_meter = present(by_meter, bucket, spans)
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
        **reactive.total_sums(),
        readings=pl.col("readings").sum(),
        coverage=covered(weight.sum(), pl.lit(presence.seconds(spans, bucket).item())),
        quality=frames.quality_of(frames.rank().max()),
    )
    both = pl.concat([summed, means], how="horizontal")
    return both.select(TOTALS).row(0, named=True)


def present(by_meter: pl.DataFrame, bucket: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Means of meters over a period, each for the share of the time for which it is there."""
    names = {"power_kw": "power_kw_mean", "rate_th": "hashrate_th_mean"}
    start = pl.lit(bucket["start_utc"].item(), dtype=frames.UTC)
    named = by_meter.rename(names, strict=False).with_columns(start_utc=start)
    back = {long: short for short, long in names.items()}
    return (
        weighed(named, bucket, spans)
        .select(*named.columns)
        .drop("start_utc")
        .rename(back, strict=False)
    )


TOTALS: Final = (
    "energy_kwh",
    "power_kw_mean",
    "power_kw_min",
    "power_kw_max",
    "power_kw_max_at",
    "hashrate_th_mean",
    "efficiency_j_per_th",
    "efficiency_time_share",
    *reactive.COLUMNS,
    "power_factor",
    "readings",
    "coverage",
    "quality",
)
