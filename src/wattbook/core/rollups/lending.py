"""Hash rate that sub meters know and the main meters of their site do not.

A pool reports the hash rate of a hall, a utility meter the energy of the whole site. In a
quarter-hour in which no main meter of a site has a hash rate, the site has the sum of those of its
sub meters; where a main meter has one, the sub meters count nothing, so nothing counts twice.
"""

from typing import Final

import polars as pl

from wattbook.core.frames import known_sum
from wattbook.core.registry.entities import MeterRole
from wattbook.core.rollups import hashing
from wattbook.core.units import over

KEY: Final = ("meter_id", "start_utc")


def lenders(meters: pl.DataFrame, main_ids: list[str]) -> pl.DataFrame:
    """The main and sub meters (`frames.METERS`) of the sites of `main_ids` that have sub meters."""
    roles = (str(MeterRole.MAIN), str(MeterRole.SUB))
    subs = meters.filter(role=str(MeterRole.SUB))["site_id"]
    mains = meters.filter(pl.col("meter_id").is_in(main_ids))["site_id"]
    wanted = pl.col("site_id").is_in(subs.implode()) & pl.col("site_id").is_in(mains.implode())
    return meters.filter(wanted, pl.col("role").is_in(roles))


def lent(quarters: pl.DataFrame, meters: pl.DataFrame, starts: pl.Series) -> pl.DataFrame:
    """What sub meters add to the hash rate of their site, bucket by bucket.

    Parameters
    ----------
    quarters
        `frames.ROLLUPS` of quarter-hours of `meters`.
    meters
        From `lenders`.
    starts
        Start of every bucket, ascending.

    Returns
    -------
    polars.DataFrame
        `meter_id` (the first main meter of the site), `start_utc`, `lent_kwh` (the site's energy
        [kWh] of the time), `lent_s` (the time [s]), `lent_th` (the hashes [TH]).
    """
    known = quarters.join(meters.select("meter_id", "site_id", "role"), on="meter_id")
    key = ["site_id", "start_utc"]
    mains = known.filter(role=str(MeterRole.MAIN)).group_by(key)
    drawn = mains.agg(
        energy_kwh=known_sum("energy_kwh"),
        covered_s=pl.col("covered_s").max(),
        knows=pl.col("hashrate_th_mean").is_not_null().any(),
    )
    subs = known.filter(pl.col("hashrate_th_mean").is_not_null(), role=str(MeterRole.SUB))
    rates = subs.group_by(key).agg(
        lent_s=hashing.known_s("hashrate_th").max(), lent_th=hashing.hashes_th().sum()
    )
    both = drawn.filter(~pl.col("knows")).join(rates, on=key).drop_nulls("energy_kwh")
    share = over(pl.col("lent_s"), pl.col("covered_s")).clip(upper_bound=1)
    owned = (
        both.with_columns(lent_kwh=pl.col("energy_kwh") * share)
        .sort("start_utc")
        .join_asof(starts.alias("bucket").to_frame(), left_on="start_utc", right_on="bucket")
    )
    carriers = (
        meters.filter(role=str(MeterRole.MAIN)).group_by("site_id").agg(pl.col("meter_id").min())
    )
    return (
        owned.drop_nulls("bucket")
        .group_by("site_id", start_utc="bucket")
        .agg(pl.col("lent_kwh", "lent_s", "lent_th").sum())
        .join(carriers, on="site_id")
        .select(*KEY, "lent_kwh", "lent_s", "lent_th")
        .sort(KEY)
    )


def borrowed(rows: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Rollups of main meters with what `lent` found added to their hash rate."""
    if found.is_empty():
        return rows
    own_s = hashing.known_s("hashrate_th")
    has_more = pl.col("lent_s").is_not_null()
    seconds = own_s + pl.col("lent_s")
    hashes = hashing.hashes_th().fill_null(0.0) + pl.col("lent_th")
    energy = hashing.energy_kwh().fill_null(0.0) + pl.col("lent_kwh")
    more = {
        "hashrate_th_mean": over(hashes, seconds),
        "hashrate_kwh": energy,
        "hashrate_s": seconds,
    }
    return (
        rows.join(found, on=KEY, how="left", maintain_order="left")
        .with_columns(
            pl.when(has_more).then(value).otherwise(pl.col(name)).alias(name)
            for name, value in more.items()
        )
        .select(rows.columns)
    )
