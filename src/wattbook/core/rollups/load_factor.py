"""Load factor: mean power over peak demand, both of the time at which every meter is known."""

from typing import Final

import polars as pl

from wattbook.core.frames import known_sum
from wattbook.core.meters import presence
from wattbook.core.periods import QUARTER
from wattbook.core.ratios import ratio
from wattbook.core.units import SECONDS_PER_HOUR, US_PER_SECOND, over

QUARTER_S: Final = int(QUARTER.total_seconds())
MIN_KNOWN_SHARE: Final = 0.9
"""A quarter-hour counts where at least this share of its time is known of each meter together."""
NO_QUARTERS: Final = pl.DataFrame(
    schema={
        "start_utc": pl.Datetime("us", "UTC"),
        "energy_kwh": pl.Float64,
        "covered_s": pl.Float64,
        "meters": pl.UInt32,
    }
)


def quarters(rows: pl.DataFrame) -> pl.DataFrame:
    """Energy, known time and number of meters of each quarter-hour: `NO_QUARTERS`, sorted.

    Parameters
    ----------
    rows
        `frames.ROLLUPS` of the grain `15min`, of the meters that are added.
    """
    known = rows.drop_nulls("energy_kwh").select(
        "start_utc", "energy_kwh", "covered_s", meters=pl.lit(1, pl.UInt32)
    )
    return added([known])


def added(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """The quarter-hours of several sites together: `NO_QUARTERS`, sorted."""
    return (
        pl.concat([NO_QUARTERS, *parts])
        .group_by("start_utc")
        .agg(known_sum("energy_kwh"), pl.col("covered_s").sum(), pl.col("meters").sum())
        .sort("start_utc")
    )


def load_factors(known: pl.DataFrame, buckets: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """`load_factor` and `load_factor_time_share` of each bucket.

    Mean and peak are of the quarter-hours in which every meter that is there is known, so that
    the factor is at most 1. Of a quarter-hour that is known in part, the power is that of the
    known time. The share is that of the time at which a meter is there; the factor is null where
    it is 0.

    Parameters
    ----------
    known
        From `quarters`.
    buckets
        `start_utc` and `end_utc`, sorted.
    spans
        `presence.SPANS` of the meters.
    """
    ends = known.with_columns(end_utc=pl.col("start_utc") + QUARTER)
    expected_s = presence.seconds(spans, ends)
    there = presence.count(ends, spans, QUARTER_S * US_PER_SECOND)
    share = over(pl.col("covered_s"), pl.col("expected_s")).clip(0, 1)
    rows = (
        ends.with_columns(expected_s=expected_s, there=there)
        .with_columns(share=share)
        .filter(pl.col("meters") >= pl.col("there"), pl.col("share") >= MIN_KNOWN_SHARE)
        .with_columns(known_h=pl.col("share") * (QUARTER_S / SECONDS_PER_HOUR))
    )
    energy, known_h = pl.col("energy_kwh"), pl.col("known_h")
    owned = (
        rows.join_asof(buckets.select("start_utc", bucket="start_utc", until="end_utc"),
                       on="start_utc")
        .filter(pl.col("start_utc") < pl.col("until"))
        .group_by(start_utc="bucket")
        .agg(
            mean_kw=ratio(energy, known_h),
            peak_kw=(energy / known_h).max(),
            used_s=pl.len() * QUARTER_S,
        )
    )  # fmt: skip
    about = buckets.select("start_utc", "end_utc").join(
        owned, on="start_utc", how="left", maintain_order="left"
    )
    return about.with_columns(there_s=presence.seconds(presence.together(spans), about)).select(
        "start_utc",
        load_factor=pl.when(pl.col("peak_kw") > 0).then(pl.col("mean_kw") / pl.col("peak_kw")),
        load_factor_time_share=pl.when(pl.col("there_s") > 0).then(
            pl.min_horizontal(pl.col("used_s").fill_null(0) / pl.col("there_s"), pl.lit(1.0))
        ),
    )
