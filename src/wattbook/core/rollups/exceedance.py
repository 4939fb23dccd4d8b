"""Whether a site drew more than its capacity."""

from collections.abc import Mapping

import polars as pl

from wattbook.core import frames
from wattbook.core.meters import presence
from wattbook.core.periods import microseconds
from wattbook.core.retention import cutoffs


def of_sites(
    rows: pl.DataFrame,
    rollups: pl.DataFrame,
    buckets: pl.DataFrame,
    mains: pl.DataFrame,
    demands: Mapping[str, pl.DataFrame],
) -> pl.DataFrame:
    """Rows of one site or several with `above_capacity`: whether a site drew more than its own.

    It did where a main meter did, or the sum of its main meters.

    Parameters
    ----------
    rows
        From `metrics.total`: one for each bucket.
    rollups
        The rows of the main meters that they are the sum of.
    buckets
        `start_utc` and `end_utc`.
    mains
        `frames.METERS` of the main meters.
    demands
        From `metrics.demand`, of each site that has several main meters.

    Returns
    -------
    polars.DataFrame
        `rows` with the column, which is null where nothing was above and a part is unknown: time
        without a capacity, and sums whose quarter-hours were removed.
    """
    said = [rollups.select("start_utc", above=frames.above_rank())]
    for site_id, quarter_demand in demands.items():
        said.append(_of_sums(quarter_demand, buckets, mains.filter(site_id=site_id)))
    found = pl.concat(said).group_by("start_utc").agg(pl.col("above").max())
    known = found.select("start_utc", above_capacity=frames.above_of(pl.col("above")))
    joined = rows.join(known, on="start_utc", how="left", maintain_order="left")
    since = cutoffs.quarters_since(mains.filter(pl.col("site_id").is_in(list(demands))))
    if since is None:
        return joined
    removed = (pl.col("start_utc") < since) & ~pl.col("above_capacity")
    return joined.with_columns(above_capacity=pl.when(~removed).then("above_capacity"))


def _of_sums(
    quarter_demand: pl.DataFrame, buckets: pl.DataFrame, mains: pl.DataFrame
) -> pl.DataFrame:
    """`above` of the demand of each quarter-hour, by the start of the bucket that it is in."""
    each = pl.int_range(mains.height, dtype=pl.UInt32, eager=True).alias("slot").to_frame()
    at = quarter_demand.select("start_utc", "power_kw", ts=microseconds("start_utc"))
    known = presence.attributes(at.join(each, how="cross"), mains, ("capacity_kw",))
    above = (pl.col("power_kw") > pl.col("capacity_kw")).cast(pl.UInt8) * 2
    return (
        known.group_by("start_utc", "power_kw")
        .agg(pl.col("capacity_kw").max())
        .sort("start_utc")
        .join_asof(
            buckets.select(bucket="start_utc", end_utc="end_utc").sort("bucket"),
            left_on="start_utc",
            right_on="bucket",
        )
        .filter(pl.col("start_utc") < pl.col("end_utc"))
        .select(start_utc="bucket", above=above.fill_null(1))
    )


def altogether(rows: pl.DataFrame) -> bool | None:
    """Whether any row with energy was above; null where none was and one is unknown."""
    rank = rows.select(above=frames.above_rank().max())
    found: bool | None = rank.select(frames.above_of(pl.col("above"))).item()
    return found
